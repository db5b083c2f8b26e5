package flashsale

// #include <flashsale/flashsale.h>
import "C"

// Options are values by name, for instance {"gate.lanes": "4"}; DescribeOptions lists them all. What stands before the
// dot says whose an option is.
type Options map[string]string

// Option describes one option.
type Option struct {
	Name        string
	Type        string // integer, boolean (true, false), text, or the words to choose from: a|b|c
	Default     string // as a value of Options; empty: none
	Doc         string // one sentence
	Least, Most int64  // of an integer; of a text, its length in bytes
}

// DescribeOptions returns every option that there is.
func DescribeOptions() []Option {
	var all []Option
	for {
		row := C.flashsale_option_t{struct_size: C.sizeof_flashsale_option_t}
		if C.flashsale_options_describe(C.size_t(len(all)), &row, nil) < 0 {
			return all
		}
		all = append(all, Option{
			Name: C.GoString(row.name), Type: C.GoString(row._type), Default: C.GoString(row.default_value),
			Doc: C.GoString(row.doc), Least: int64(row.least), Most: int64(row.most),
		})
	}
}

// withOptions makes the library's options, which also compares the ABI that we were compiled for, and has them used.
func withOptions(given []Options, use func(*C.flashsale_options_t) error) error {
	var options *C.flashsale_options_t
	err := try(func(e **C.flashsale_error_t) C.int32_t {
		return C.flashsale_options_create(C.FLASHSALE_ABI, &options, e)
	})
	if err != nil {
		return err
	}
	defer C.flashsale_options_destroy(&options)
	for _, values := range given {
		for name, value := range values {
			n, nSize := text(name)
			v, vSize := text(value)
			err := try(func(e **C.flashsale_error_t) C.int32_t {
				return C.flashsale_options_set(options, n, nSize, v, vSize, e)
			})
			if err != nil {
				return err
			}
		}
	}
	return use(options)
}
