module shop

go 1.19

require flashsale v0.0.0

replace flashsale => ../../bindings/go
