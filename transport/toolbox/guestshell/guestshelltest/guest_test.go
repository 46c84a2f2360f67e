package guestshelltest_test

import (
	"reflect"
	"testing"

	"github.com/daytonaio/runner-android/transport/toolbox/guestshell"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell/guestshelltest"
)

// Ensure words arrive as they were quoted, output comes in order, and what runs is mksh.
func TestGuest(t *testing.T) {
	t.Parallel()
	guest := guestshelltest.New(t, map[string]string{"input": "echo said; exit 3"})
	script := guestshell.Quote([]byte("input text "), "it's $HOME\n*")
	script = append(script, "\nprintf '%s' \"${KSH_VERSION%% *}\" >&2\nexit $?\n"...)
	res, err := guest.Run(t.Context(), "", guestshell.Script{Text: script, MaxOutput: 14})
	if err != nil || res.ExitCode != 0 || string(res.Output) != "said\n@(#)MIRBS" || res.Dropped != 1 {
		t.Errorf("got %d %q %d %v", res.ExitCode, res.Output, res.Dropped, err)
	}
	want := [][]string{{"input", "text", "it's $HOME\n*"}}
	if got := guest.Calls(); !reflect.DeepEqual(got, want) {
		t.Errorf("called %q, want %q", got, want)
	}
	if got := guest.Calls(); got != nil {
		t.Errorf("called again: %q", got)
	}
}
