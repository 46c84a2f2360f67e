// Package text turns text into calls of Android's input command that type it, and refuses text that the
// command cannot type whole.
//
// The command decodes its argument ("%s" is a space, and there is no other way to say a literal "%s"),
// types the printable characters of ASCII and nothing else: one character more and it types nothing. What
// this package does about it is in [Steps]. It was checked against InputShellCommand of Android 14, which
// the test repeats.
//
//	steps, err := text.Steps("50%sale\n", false)
//	steps // "50%", "sale", Enter
//	text.Lines(steps, 0) // input text '50%', input text 'sale', input keyevent 66
package text
