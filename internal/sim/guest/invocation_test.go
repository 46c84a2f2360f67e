package guest

import (
	"slices"
	"testing"
)

func TestAShellThatOnlyStartsAProgramIsRecognised(t *testing.T) {
	t.Parallel()
	for script, want := range map[string][]string{
		"sh":                            {"sh"},
		"  ls  -l /data/local/tmp ":     {"ls", "-l", "/data/local/tmp"},
		"/system/bin/getprop ro.serial": {"/system/bin/getprop", "ro.serial"},
		"":                              nil,
		"true":                          nil,
		"kill 1":                        nil,
		"exec sh":                       nil,
		"time ls":                       nil,
		"declare x":                     nil,
		"typeset x":                     nil,
		"local x":                       nil,
		"export x":                      nil,
		"readonly x":                    nil,
		"let x":                         nil,
		"select x":                      nil,
		"A=1 ls":                        nil,
		"ls ~":                          nil,
		"ls *":                          nil,
		"ls; ls":                        nil,
		"ls\nls":                        nil,
		"ls $x":                         nil,
		"ls 'x'":                        nil,
		"ls >x":                         nil,
		"ls & ":                         nil,
		"ls # all":                      nil,
		"ls {a,b}":                      nil,
		"ls \\x":                        nil,
	} {
		v, err := parseInvocation([]string{"sh", "-c", script})
		if err != nil {
			t.Fatal(err)
		}
		if got := v.onlyProgram(); !slices.Equal(got, want) {
			t.Errorf("sh -c %q: %q; want %q", script, got, want)
		}
	}
	if v, err := parseInvocation([]string{"sh", "-x", "-c", "ls"}); err != nil || v.onlyProgram() != nil {
		t.Errorf("sh -x -c ls: %q, %v; want the shell, which traces it", v.onlyProgram(), err)
	}
}

func TestValuesTakeThePlaceOfThoseBefore(t *testing.T) {
	t.Parallel()
	got := withValues([]string{"A=1", "TERM=dumb", "TERMS=x"}, []string{"TERM=xterm", "B=2"})
	if want := []string{"A=1", "TERMS=x", "TERM=xterm", "B=2"}; !slices.Equal(got, want) {
		t.Errorf("got %q; want %q", got, want)
	}
}
