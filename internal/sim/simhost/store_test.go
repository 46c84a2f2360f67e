package simhost

import (
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

func TestTheCommandMeetsAnObjectStoreUnlessItsCallerChoseOne(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, hint string
		env        map[string]string
		exports    int
	}{
		{"nothing said", "s3 http://127.0.0.1:", nil, 5},
		{"one named", "s3 $AWS_ENDPOINT_URL  ", map[string]string{"AWS_ENDPOINT_URL": "https://s3"}, 0},
		{"none wanted", "", map[string]string{"AWS_ENDPOINT_URL": ""}, 0},
	} {
		store, err := startStore(&simroot.Root{Dir: t.TempDir()}, lookupIn(tt.env), usualStorePort)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(store.hint, tt.hint) || len(store.env) != tt.exports || tt.hint == "" && store.hint != "" {
			t.Errorf("%s: hint %q, variables %q", tt.name, store.hint, store.env)
		}
		if err := store.stop(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
