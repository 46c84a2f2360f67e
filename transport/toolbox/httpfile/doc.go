// Package httpfile is what HTTP says about files: ranges, names in Content-Disposition, and times. It does no
// input or output.
//
//	part, ok, err := httpfile.ParseRange("bytes=0-99", size)
//	header := httpfile.Disposition("attachment", "", "ä.txt")
package httpfile
