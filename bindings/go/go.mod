module flashsale

go 1.19
