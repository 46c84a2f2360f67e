package text

import (
	"slices"
	"strings"
	"testing"
)

// android does with an argument what InputShellCommand.sendText does.
func android(arg string) string {
	buf := []byte(arg)
	escape := false
	for i := 0; i < len(buf); i++ {
		if escape {
			escape = false
			if buf[i] == 's' {
				buf[i] = ' '
				i--
				buf = slices.Delete(buf, i, i+1)
			}
		}
		if buf[i] == '%' {
			escape = true
		}
	}
	return string(buf)
}

// typed is what steps type.
func typed(steps []Step) string {
	var out strings.Builder
	for _, s := range steps {
		if s.Enter() {
			out.WriteByte('\n')
		} else {
			out.WriteString(android(s.Argument))
		}
	}
	return out.String()
}

func TestSteps(t *testing.T) {
	t.Parallel()
	if android("50%sale") != "50 ale" || android("%%s") != "% " {
		t.Fatal("the decoder is not Android's")
	}
	long := strings.Repeat("x", Longest)
	for _, tt := range []struct {
		text   string
		single bool
		want   []string // "" is Enter; one that begins with "!" is the error
	}{
		{"", false, nil},
		{"hello world", false, []string{"hello%sworld"}},
		{"50%sale", false, []string{"50%", "sale"}},
		{"%s%s", false, []string{"%", "s%", "s"}},
		{"% s%%s %", false, []string{"%%ss%%", "s%s%"}},
		{"a\nb\r\nc\rd\n\n", false, []string{"a", "", "b", "", "c", "", "d", "", ""}},
		{"it's \"$HOME\" `id`;\\", false, []string{"it's%s\"$HOME\"%s`id`;\\"}},
		{"a b\n", true, []string{"a", "%s", "b", ""}},
		{long + "ab", false, []string{long, "ab"}},
		{long[1:] + "%s", false, []string{long[1:] + "%", "s"}},
		{"a\tb", false, []string{`!keyboard.type does not translate '\t' to Tab; use keyboard.press("tab") for Tab key events`}},
		{"a\u2028", false, []string{"!unsupported separator character in keyboard.type: U+2028"}},
		{"\x07", false, []string{"!unsupported control character in keyboard.type: U+0007"}},
		{"\x00", false, []string{"!unsupported control character in keyboard.type: U+0000"}},
		{"\u0085", false, []string{"!unsupported control character in keyboard.type: U+0085"}},
		{"naïve €", false, []string{"!unsupported character in keyboard.type: 'ï' (U+00EF): Android's input command types printable ASCII only; nothing was typed"}},
		{"\U0001F600", false, []string{"!unsupported character in keyboard.type: '😀' (U+1F600): Android's input command types printable ASCII only; nothing was typed"}},
	} {
		steps, err := Steps(tt.text, tt.single)
		var got []string
		for _, s := range steps {
			got = append(got, s.Argument)
		}
		if err != nil {
			got = []string{"!" + err.Error()}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%.40q: got %q, want %q", tt.text, got, tt.want)
		}
	}
}

// Ensure what is typed is the text, or nothing is.
func FuzzSteps(f *testing.F) {
	f.Add("50%sale % s%%s\r\n", false)
	f.Add("%s%s %", true)
	f.Fuzz(func(t *testing.T, text string, single bool) {
		steps, err := Steps(text, single)
		if err != nil {
			if len(steps) > 0 {
				t.Fatal("refused in part")
			}
			return
		}
		want := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
		if got := typed(steps); got != want {
			t.Errorf("%q types %q", text, got)
		}
		for _, s := range steps {
			if n := len(android(s.Argument)); n > Longest || single && n > 1 {
				t.Errorf("a step of %d characters", n)
			}
		}
	})
}
