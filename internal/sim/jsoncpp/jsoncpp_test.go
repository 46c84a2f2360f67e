package jsoncpp_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/daytonaio/runner-android/internal/sim/jsoncpp"
)

func TestFormat(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		in   any
		want string
	}{
		{"an empty list stays on the line of its key", map[string]any{"groups": []any{}}, "{\n\t\"groups\" : []\n}"},
		{
			"a list of objects opens on a line of its own, after a trailing space",
			map[string]any{"groups": []any{map[string]any{"b": 2, "a": "x"}}},
			"{\n\t\"groups\" : \n\t[\n\t\t{\n\t\t\t\"a\" : \"x\",\n\t\t\t\"b\" : 2\n\t\t}\n\t]\n}",
		},
		{"a short list of plain values stays on one line", []any{"720 x 1280 ( 320 )"}, `[ "720 x 1280 ( 320 )" ]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := jsoncpp.Format(tt.in)
			if got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			var back any
			if err := json.Unmarshal([]byte(got), &back); err != nil {
				t.Errorf("not JSON: %v", err)
			}
			if reflect.ValueOf(back).Len() != reflect.ValueOf(tt.in).Len() {
				t.Errorf("lost something: %v", back)
			}
		})
	}
}
