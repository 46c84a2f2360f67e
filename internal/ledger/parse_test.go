package ledger

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/daytonaio/runner-android/internal/sandbox"
)

func FuzzParseMappings(f *testing.F) {
	f.Add([]byte(`{"a":1,"b":1,"../x":2,"c":"text"}`))
	f.Add([]byte(`{"a":1e2,"b":129}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		first, _, err := parseMappings(data)
		if err != nil {
			return
		}
		first.settle(map[sandbox.ID]sandbox.Instance{"b": 1})
		out, err := render(first.numbers, first.foreign)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		second, _, err := parseMappings(out)
		if err != nil || !maps.Equal(first.numbers, second.numbers) {
			t.Errorf("got %v, %v, want %v", second.numbers, err, first.numbers)
		}
	})
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(`{"version":1,"sandbox_id":"a","instance_num":1,"paths":{"x":1}}`))
	f.Add([]byte(`{"version":3,"sandbox_id":"a","metadata":{"k":"v"},"later":[{}]}`))
	f.Add([]byte(`{"instanceNum":1,"Version":0}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		first, err := parseRecord(data, "a")
		if err != nil {
			return
		}
		first.Version = max(first.Version, FormatVersion)
		out, err := json.Marshal(first)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		second, err := parseRecord(out, "a")
		if err != nil {
			t.Fatalf("what was written cannot be read: %v: %s", err, out)
		}
		if again, err := json.Marshal(second); err != nil || string(again) != string(out) {
			t.Errorf("got %s, %v, want %s", again, err, out)
		}
	})
}
