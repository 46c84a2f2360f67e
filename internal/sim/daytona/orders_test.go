package daytona

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// recorded is a job as testdata/payloads.json has it, which was written by hand after the recordings.
type recorded struct {
	ResourceType string
	ResourceID   string
	Payload      any
}

// masks hide what is new each time.
var masks = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`"authToken":"[A-Za-z0-9]{32}"`), `"authToken":"TOKEN"`},
	{regexp.MustCompile(`daytona-[0-9a-f]{64}:daytona`), `daytona-HASH:daytona`},
	{regexp.MustCompile(`:\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}Z`), `:STAMP`},
	{regexp.MustCompile(`"` + organizationID + `"`), `"ORG"`},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`), `UUID`},
}

func masked(text string) string {
	for _, m := range masks {
		text = m.pattern.ReplaceAllString(text, m.with)
	}
	return text
}

func TestPayloadsAreAsRecorded(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/payloads.json")
	if err != nil {
		t.Fatal(err)
	}
	var generations map[string]map[string]recorded
	decode(t, string(data), &generations)
	for generation, jobs := range generations {
		for kind, want := range jobs {
			w := newWorld(t, Options{})
			w.order(fmt.Sprintf(`{"type":%q,"generation":%q,"sandboxId":"dev1","snapshot":"android-LATEST"}`, kind, generation))
			delivered := w.claimNow()
			if len(delivered) != 1 {
				t.Fatalf("%s %s: %d jobs", generation, kind, len(delivered))
			}
			j := delivered[0]
			var payload any
			if j.Payload != nil {
				decode(t, masked(*j.Payload), &payload)
			}
			if !reflect.DeepEqual(payload, want.Payload) || (j.Payload == nil) != (want.Payload == nil) {
				have, _ := json.Marshal(payload)
				wanted, _ := json.Marshal(want.Payload)
				t.Errorf("%s %s:\n got %s\nwant %s", generation, kind, have, wanted)
			}
			if j.ResourceType != want.ResourceType || masked(j.ResourceID) != want.ResourceID {
				t.Errorf("%s %s: resource %s %s", generation, kind, j.ResourceType, j.ResourceID)
			}
		}
	}
}

func TestAJobIsDeliveredInTheRecordedForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	w.order(`{"type":"STOP_SANDBOX","sandboxId":"dev1","traceContext":{"traceparent":"00-x-y-01","tracestate":"a=b"}}`)
	got := w.asRunner("GET", "/api/jobs/poll", "").body
	const moment = `"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"`
	want := regexp.MustCompile(`^\{"jobs":\[\{"id":"[0-9a-f-]{36}","type":"STOP_SANDBOX","status":"IN_PROGRESS",` +
		`"resourceType":"SANDBOX","resourceId":"dev1","payload":"\{\}","traceContext":\{"traceparent":"00-x-y-01","tracestate":"a=b"\},` +
		`"createdAt":` + moment + `,"updatedAt":` + moment + `\}\]\}$`)
	if !want.MatchString(got) {
		t.Errorf("got %s", got)
	}
	w.order(`{"type":"DESTROY_SANDBOX","sandboxId":"dev2"}`)
	if got := w.asRunner("GET", "/api/jobs/poll", "").body; strings.Contains(got, "payload") || strings.Contains(got, "traceContext") {
		t.Errorf("members that are not there are left out: %s", got)
	}
}

func TestAuthTokensAreNewAtEveryCreateAndStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{NoBackups: true})
	seen := map[string]bool{}
	for i := range 6 {
		kind := []string{createSandbox, startSandbox}[i%2]
		rec := w.settle(fmt.Sprintf(`{"type":%q,"sandboxId":"dev1"}`, kind), done)
		p, _ := rec.Payload.(map[string]any)
		token, _ := p["authToken"].(string)
		if len(token) != 32 || seen[token] {
			t.Errorf("token %q", token)
		}
		seen[token] = true
	}
}

func TestAResumeCarriesNoMetadata(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{NoBackups: true})
	w.startedSandbox()
	w.settle(`{"type":"PAUSE_SANDBOX","sandboxId":"dev1"}`, done)
	rec := w.order(`{"type":"START_SANDBOX","sandboxId":"dev1"}`)
	if p, _ := rec.Payload.(map[string]any); len(p) != 1 || p["authToken"] == nil || w.row("dev1").State != resuming {
		t.Errorf("payload %v, state %s", p, w.row("dev1").State)
	}
}

func TestAnOrderCanChangeThePayload(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, order, want string }{
		{"members laid over", `{"type":"STOP_SANDBOX","sandboxId":"d","payload":{"force":true}}`, `{"force":true}`},
		{"members left out", `{"type":"CREATE_BACKUP","sandboxId":"d","omit":["registry"]}`, `{"snapshot":"127.0.0.1:15000/daytona/backup-d:STAMP"}`},
		{"no payload", `{"type":"START_SANDBOX","sandboxId":"d","payload":null}`, `none`},
		{"any text", `{"type":"START_SANDBOX","sandboxId":"d","payloadText":"{\"cut"}`, `{"cut`},
		{"of an unknown type", `{"type":"NEVER_HEARD_OF","sandboxId":"d","payload":{"a":null}}`, `{"a":null}`},
		{"network settings carry only what changes", `{"type":"UPDATE_SANDBOX_NETWORK_SETTINGS","sandboxId":"d","payload":{"networkAllowList":"10.0.0.0/8"}}`,
			`{"networkAllowList":"10.0.0.0/8"}`},
		{"not escaped as for HTML", `{"type":"STOP_SANDBOX","sandboxId":"d","payload":{"a":"<&>"}}`, `{"a":"<&>"}`},
	} {
		w := newWorld(t, Options{})
		w.order(tt.order)
		got := "none"
		if p := w.claimNow()[0].Payload; p != nil {
			got = masked(*p)
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestASandboxKeepsTheDialectItWasMadeIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{NoBackups: true})
	w.settle(`{"type":"CREATE_SANDBOX","sandboxId":"dev1","generation":"feb"}`, done)
	if rec := w.order(`{"type":"STOP_SANDBOX","sandboxId":"dev1"}`); rec.Payload != nil || rec.Generation != generationFeb {
		t.Errorf("%s with %v", rec.Generation, rec.Payload)
	}
}

func TestOrdersThatNoJobCanBeMadeOf(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	for order, want := range map[string]string{
		`{}`:                                         "type is missing",
		`{"type":"STOP_SANDBOX"}`:                    "sandboxId is missing",
		`{"type":"REMOVE_SNAPSHOT"}`:                 "resourceId is missing",
		`{"type":"NEVER","resourceType":"X"}`:        "resourceId is missing",
		`{"typ":"STOP_SANDBOX"}`:                     `unknown field "typ"`,
		`{"type":"X","generation":"old"}`:            "there are new and feb",
		`{"type":"X","traceContext":"00"}`:           "traceContext must be an object",
		`{"type":"X","sandboxId":"d","payload":[1]}`: "payload must be a JSON object",
		`nothing`: "the body does not fit",
	} {
		if got := w.desk("POST", "/sim/jobs", order, nil); got.status != 400 || !strings.Contains(got.message(), want) {
			t.Errorf("%s: %d %s", order, got.status, got.body)
		}
	}
	for _, wait := range []string{"soon", "-1s", "2h", "NaN", "1e99"} {
		if got := w.desk("POST", "/sim/jobs?wait="+wait, `{"type":"X","sandboxId":"d"}`, nil); got.status != 400 {
			t.Errorf("wait=%s: %d", wait, got.status)
		}
	}
	if got := w.desk("GET", "/sim/jobs/none", "", nil); got.status != 404 {
		t.Errorf("an unknown job: %d", got.status)
	}
}

func TestSnapshotsOfTheRunner(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	table := func() string {
		var list []snapshotRecord
		w.desk("GET", "/sim/snapshots", "", &list)
		lines := make([]string, 0, len(list))
		for _, sn := range list {
			lines = append(lines, fmt.Sprint(sn.Ref, " ", sn.State, " ", sn.Names, " ", sn.Hash, " ", sn.SizeGB, " ", sn.ErrorReason))
		}
		return strings.Join(lines, "\n")
	}
	expect := func(want string) {
		t.Helper()
		if got := table(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	const info = `{"status":"COMPLETED","resultMetadata":"{\"hash\":\"abc\",\"sizeGB\":2.5}"}`
	w.settle(`{"type":"INSPECT_SNAPSHOT_IN_REGISTRY","snapshot":"a:1"}`, info)
	expect("a:1 inspected [] abc 2.5 ")
	ref := "127.0.0.1:15000/daytona/daytona-abc:daytona"
	w.order(`{"type":"PULL_SNAPSHOT","snapshot":"a:1"}`)
	expect("a:1 inspected [] abc 2.5 \n" + ref + " pulling_snapshot []  0 ")
	w.reportStatus(w.claimNow()[0].ID, info)
	expect("a:1 inspected [] abc 2.5 \n" + ref + " ready [] abc 2.5 ")
	w.settle(`{"type":"REMOVE_SNAPSHOT","resourceId":"a:1"}`, done)
	w.settle(`{"type":"REMOVE_SNAPSHOT","resourceId":"`+ref+`"}`, failedWith)
	expect(ref + " removing [] abc 2.5 ")
	w.settle(`{"type":"REMOVE_SNAPSHOT","resourceId":"`+ref+`"}`, done)
	expect("")
	w.settle(`{"type":"BUILD_SNAPSHOT","resourceId":"built"}`, failedWith)
	expect("built error []  0 no space")
	if kinds := w.violationKinds(); len(kinds) != 0 {
		t.Errorf("violations %v", kinds)
	}
}

func TestASnapshotOfASandboxIsActiveUnderTheRunnersRef(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, order, result, ref string }{
		{"the runner's ref", ``, `{\"ref\":\"org/mine\",\"hash\":\"abc\",\"sizeGB\":1}`, "org/mine"},
		{"of the hash", ``, `{\"hash\":\"abc\"}`, "127.0.0.1:15000/daytona/daytona-abc:daytona"},
		{"of the hash without registry", `,"omit":["registry"]`, `{\"hash\":\"abc\"}`, "daytona-abc"},
		{"the name", ``, `{}`, "mine"},
	} {
		w := newWorld(t, Options{NoBackups: true})
		w.startedSandbox()
		w.settle(`{"type":"SNAPSHOT_SANDBOX","sandboxId":"dev1","payload":{"name":"mine"}`+tt.order+`}`,
			`{"status":"COMPLETED","resultMetadata":"`+tt.result+`"}`)
		var list []snapshotRecord
		w.desk("GET", "/sim/snapshots", "", &list)
		if len(list) != 1 || list[0].Ref != tt.ref || list[0].State != snapshotReady || fmt.Sprint(list[0].Names) != "[mine]" {
			t.Errorf("%s: %+v", tt.name, list)
		}
	}
}
