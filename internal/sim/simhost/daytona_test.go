package simhost

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheCommandMeetsADaytonaUnlessItsCallerChoseOne(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, hint string
		env        map[string]string
		exports    []string // names
	}{
		{"nothing said", "proxy http://127.0.0.1:", nil, []string{"DAYTONA_API_URL", "RUNNER_DOMAIN"}},
		{"a domain chosen", "proxy http://127.0.0.1:", map[string]string{"RUNNER_DOMAIN": "host"}, []string{"DAYTONA_API_URL"}},
		{"a Daytona named", "daytona $DAYTONA_API_URL", map[string]string{"DAYTONA_API_URL": "https://d/api"}, nil},
		{"named by the old variable", "daytona $SERVER_URL", map[string]string{"SERVER_URL": "https://d"}, nil},
		{"none wanted", "not registered with Daytona (REST only)", map[string]string{"DAYTONA_API_URL": ""}, nil},
		{"none wanted by the old variable", "not registered with Daytona (REST only)", map[string]string{"SERVER_URL": ""}, nil},
		{"the old variable counts when the new one is empty", "daytona $SERVER_URL",
			map[string]string{"DAYTONA_API_URL": "", "SERVER_URL": "https://d"}, nil},
	} {
		plane, err := startControlPlane(lookupIn(tt.env), defaultAPIPort, 1)
		if err != nil {
			t.Fatal(err)
		}
		names := []string{}
		for _, variable := range plane.env {
			name, _, _ := strings.Cut(variable, "=")
			names = append(names, name)
		}
		if !strings.HasPrefix(plane.hint, tt.hint) || !slices.Equal(names, tt.exports) && len(names)+len(tt.exports) > 0 {
			t.Errorf("%s: %q, exports %v", tt.name, plane.hint, plane.env)
		}
		if _, address, _ := strings.Cut(plane.hint, "  "); strings.HasPrefix(plane.hint, "proxy ") &&
			"DAYTONA_API_URL="+strings.TrimPrefix(address, "daytona ")+"/api" != plane.env[0] {
			t.Errorf("%s: %q does not end with the API's address, %s", tt.name, plane.hint, plane.env[0])
		}
		if err := plane.stop(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestTheSimulatedDaytonaKnowsTheCommandsToken(t *testing.T) {
	t.Parallel()
	for want, env := range map[string]map[string]string{
		DefaultToken: {},
		"old":        {"API_TOKEN": "old"},
		"new":        {"API_TOKEN": "old", "DAYTONA_RUNNER_TOKEN": "new"},
	} {
		plane, err := startControlPlane(lookupIn(env), usualDaytonaPort, 1)
		if err != nil {
			t.Fatal(err)
		}
		client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		url := strings.TrimPrefix(plane.env[0], "DAYTONA_API_URL=")
		if strings.Contains(url, ":3000/") {
			t.Errorf("%s is the command's own port", url)
		}
		req, err := http.NewRequest(http.MethodGet, url+"/jobs", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+want)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", want, resp.StatusCode)
		}
		if err := plane.stop(); err != nil {
			t.Error(err)
		}
	}
}

func lookupIn(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, set := env[name]
		return value, set
	}
}

func TestTheProxyOfAHostLeadsToItsDaytona(t *testing.T) {
	t.Parallel()
	plane, err := startControlPlane(lookupIn(nil), 4000, 1)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	proxy := strings.Fields(plane.hint)[1]
	if strings.HasSuffix(proxy, ":4000") {
		t.Errorf("%s is the command's own port", proxy)
	}
	desk := strings.Fields(plane.hint)[3] + "/sim/jobs"
	resp, err := client.Post(desk, "application/json", strings.NewReader(`{"type":"START_SANDBOX","sandboxId":"dev1"}`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for key, want := range map[string]int{"demo-key": http.StatusBadRequest, "nope": http.StatusUnauthorized} {
		req, err := http.NewRequest(http.MethodGet, proxy+"/toolbox/dev1/version", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want { // no runner has said where it is
			t.Errorf("%s: %d, want %d", key, resp.StatusCode, want)
		}
	}
	if err := plane.stop(); err != nil {
		t.Error(err)
	}
}
