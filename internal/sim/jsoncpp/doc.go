// Package jsoncpp prints JSON the way jsoncpp's StyledWriter does, which is what the cvd program
// prints: tabs, a space on both sides of the colon, sorted keys, brackets of non-empty values on
// lines of their own, short arrays of plain values on one line. Readers that look at lines instead
// of parsing meet the same surprises as with the real program.
//
// The package refuses types other than maps with string keys, slices of any, strings, integers and
// booleans.
//
//	fmt.Println(jsoncpp.Format(map[string]any{"groups": []any{}}))
package jsoncpp
