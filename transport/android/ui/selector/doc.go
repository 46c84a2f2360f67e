// Package selector finds elements of a screen by what they are: their text, their resource id, their state.
//
// Words: a [Selector] is what a client sends; a [Matcher] is a checked one; matches come in reading order, which
// is that of the dump and of a screen reader.
//
//	var s selector.Selector
//	err := json.Unmarshal([]byte(`{"text":"OK","class":"Button"}`), &s)
//	m, err := s.Compile()
//	nodes := m.Find(t)
//
// All that a selector names must hold. One that names nothing is refused, and so is a field that is not known:
// a misspelled word would make it find more than was meant. Only what is seen on the screen is found.
package selector
