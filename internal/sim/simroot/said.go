package simroot

import "fmt"

// Saidf returns an error in the very words of the real programs, capitals and full stops included: some
// of them are what a runner tells failures apart by.
func Saidf(format string, args ...any) error { return fmt.Errorf(format, args...) }
