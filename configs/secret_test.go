package configs_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/configs"
)

func TestSecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	cfg, err := configs.Load([]string{token})
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	hidden := struct{ cfg configs.Config }{cfg} // fmt may not call methods below an unexported field
	shown := map[string]string{"JSON": string(asJSON), "String": cfg.String(), "Redacted": fmt.Sprint(cfg.Redacted())}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		shown[verb] = fmt.Sprintf(verb, cfg)
		shown[verb+" of the secret"] = fmt.Sprintf(verb, cfg.Token)
		shown[verb+" of a pointer"] = fmt.Sprintf(verb, &cfg.Token)
		shown[verb+" below an unexported field"] = fmt.Sprintf(verb, hidden)
	}
	inHex := fmt.Sprintf("%x", "s3cret-token")
	for way, text := range shown {
		if strings.Contains(text, "s3cret") || strings.Contains(strings.ToLower(text), inHex) {
			t.Errorf("%s shows the secret: %s", way, text)
		}
	}
	if got := shown["String"]; !strings.HasPrefix(got, "DAYTONA_RUNNER_TOKEN=(secret)\nAPI_PORT=3107\n") {
		t.Errorf("String gave %s", got)
	}
	if got := shown["%#v of the secret"]; got != "(secret)" {
		t.Errorf("%%#v gave %s", got)
	}
}

func TestSecretEqual(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, secret, candidate string
		want                    bool
	}{
		{"the same text", "abc", "abc", true},
		{"another text", "abc", "abd", false},
		{"a beginning", "abc", "ab", false},
		{"nothing presented", "abc", "", false},
		{"nothing set and nothing presented", "", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := configs.NewSecret(tt.secret).Equal(tt.candidate); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
