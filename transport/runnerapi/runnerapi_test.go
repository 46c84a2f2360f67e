package runnerapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/daytona/wire"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/runnerapi"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 5e8, time.UTC)

// dev1 is a sandbox with something in every field.
var dev1 = sandbox.Info{
	ID: "dev-1", State: sandbox.Started, Since: noon, ObservedAt: noon.Add(time.Second), Reason: "boot \"took\" <long>",
	Evidence: []sandbox.Evidence{{Layer: "adb", Fact: "answered in 1 ms", At: noon}, {Layer: "launcher", Fact: "answers", At: noon}},
	Instance: 3, ADBPort: 6522, ADBSerial: "127.0.0.1:6522", Snapshot: "android-LATEST",
	Resources: sandbox.Resources{CPUs: 2, MemoryMB: 4096, DiskGB: 16}, Metadata: map[string]string{"b": "2", "a": "é\n"},
}

const dev1JSON = `"id":"dev-1","state":"started","since":"2026-11-23T12:00:00.5Z","observedAt":"2026-11-23T12:00:01.5Z",` +
	`"reason":"boot \"took\" <long>","evidence":[{"layer":"adb","fact":"answered in 1 ms","at":"2026-11-23T12:00:00.5Z"},` +
	`{"layer":"launcher","fact":"answers","at":"2026-11-23T12:00:00.5Z"}],"instanceNum":3,"adbPort":6522,"adbSerial":"127.0.0.1:6522",` +
	`"metadata":{"a":"é\n","b":"2"},"snapshot":"android-LATEST","resources":{"cpus":2,"memoryMB":4096,"diskGB":16}}`

const goneJSON = `"id":"gone","state":"destroyed","since":null,"observedAt":null,"reason":"","evidence":[],"instanceNum":0,"adbPort":0,` +
	`"adbSerial":"","metadata":{},"snapshot":"","resources":{"cpus":0,"memoryMB":0,"diskGB":0}}`

// actors answer as those of a host with dev-1 would, and keep what they were told.
type actors struct{ told chan any }

func (a actors) Ask(_ context.Context, msg any) (any, error) {
	a.told <- msg
	if to, ok := msg.(messages.Addressed); ok && to.Sandbox() == "busy" {
		return nil, fault.Conflictf("sandbox busy is stopping")
	}
	switch m := msg.(type) {
	case messages.ListSandboxes:
		return messages.SandboxList{Sandboxes: []sandbox.Info{dev1, {ID: "gone", State: sandbox.Destroyed}}}, nil
	case messages.GetSandbox:
		switch m.ID {
		case "dev-1":
			return dev1, nil
		case "broken":
			return sandbox.Info{ID: m.ID, State: sandbox.Error, Instance: 1}, nil
		}
		return sandbox.Info{ID: m.ID, State: sandbox.Destroyed}, nil
	case messages.CreateSandbox, messages.StopSandbox:
		return dev1, nil
	case messages.StartSandbox:
		if m.ID == "unknown" {
			return nil, fault.NotFoundf("sandbox unknown does not exist on this runner")
		}
		return sandbox.Info{ID: m.ID, Recreated: m.ID == "emptied"}, nil
	case messages.GetTransitions:
		if m.ID == "unknown" {
			return nil, fault.NotFoundf("sandbox unknown does not exist on this runner")
		}
		all := []sandbox.Transition{{From: sandbox.Unknown, To: sandbox.Started, At: noon}, {From: sandbox.Started, To: sandbox.Error, Reason: "it died", At: noon.Add(time.Second)}}
		return messages.Transitions{ID: m.ID, Transitions: all[:min(len(all), len(m.ID)-3)]}, nil
	case messages.RecoverSandbox, messages.ResizeSandbox:
		return dev1, nil
	case messages.UpdateNetworkSettings:
		if m.Change.BlockAll != nil && *m.Change.BlockAll {
			return nil, fault.Unsupportedf("recorded, not enforced")
		}
		return dev1, nil
	case messages.InspectSnapshot, messages.PullSnapshot:
		return base, nil
	case messages.GetSnapshotProgress:
		if m.Name != "acme/golden" && m.Name != "r/torn:1" {
			return nil, fault.NotFoundf("nothing was done with snapshot %s", m.Name)
		}
		p := messages.SnapshotProgress{
			Name: m.Name, Work: "take", Source: "sandbox dev-1", Since: noon, Rate: 5, Left: 2 * time.Second,
			Progress: sandbox.Progress{Step: "upload x", Done: 1, Total: 11, Moved: 3},
		}
		if m.Name == "r/torn:1" {
			p.Failure, p.Ended = "no S3", noon.Add(time.Second)
		}
		return p, nil
	case messages.HasSnapshot:
		return messages.SnapshotPresence{Exists: m.Name == "android-LATEST"}, nil
	case messages.GetSnapshot:
		switch m.Name {
		case "android-LATEST":
			return messages.SnapshotInfo{Image: base}, nil
		case "r/torn:1":
			return messages.SnapshotInfo{Failure: "image torn does not exist", FailedAt: noon}, nil
		}
		return nil, fault.NotFoundf("image %s does not exist", m.Name)
	default:
		return messages.Done{}, nil
	}
}

// base is an image of one and a half GiB.
var base = sandbox.Image{Name: "android-LATEST", Hash: "abc123", Bytes: 3 << 29}

func ptr[T any](v T) *T { return &v }

func start(t *testing.T, o runnerapi.Options) (*transporttest.Client, chan any) {
	t.Helper()
	told := make(chan any, 100)
	c := transporttest.Start(t, transport.Options{}, func(s *transport.Server) {
		s.Mount("", runnerapi.Routes(actors{told}, o))
	})
	return c, told
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	o := runnerapi.Options{Version: "v1"}
	create := `{"id":"dev-1","userId":"o","osUser":"u","snapshot":"android-LATEST","cpuQuota":2,"memoryQuota":4,"storageQuota":16,` +
		`"gpuQuota":0,"networkAllowList":null,"registry":{"url":"r","project":null},"unknown":[1],"metadata":{"a":"b"},"skipStart":true}`
	tests := []struct {
		name, method, path, body string
		status                   int
		want                     string // "message" of an error
		told                     any    // nil: not compared
	}{
		{"health", "GET", "/", "", 200, `{"status":"ok","version":"v1"}`, nil},
		{"info without a host", "GET", "/info", "", 200, `{"appVersion":"v1","daytona":{"registered":false}}`, nil},
		{"the list", "GET", "/sandboxes", "", 200, `[{` + dev1JSON + `,{` + goneJSON + `]`, messages.ListSandboxes{}},
		{"a sandbox", "GET", "/sandboxes/dev-1", "", 200, `{"backupState":"NONE","recoverable":false,` + dev1JSON, messages.GetSandbox{ID: "dev-1"}},
		{"an unknown sandbox", "GET", "/sandboxes/gone", "", 200, `{"backupState":"NONE","recoverable":false,` + goneJSON, nil},
		{"create", "POST", "/sandboxes", create, 201, `{"daemonVersion":""}`, messages.CreateSandbox{ID: "dev-1", Spec: sandbox.Spec{
			Snapshot: "android-LATEST", Resources: sandbox.Resources{CPUs: 2, MemoryMB: 4096, DiskGB: 16},
			Metadata: map[string]string{"a": "b"}, SkipStart: true,
		}}},
		{"create with the least", "POST", "/sandboxes", `{"id":"a","snapshot":"s","cpuQuota":null}`, 201, `{"daemonVersion":""}`,
			messages.CreateSandbox{ID: "a", Spec: sandbox.Spec{Snapshot: "s"}}},
		{"start with metadata", "POST", "/sandboxes/dev-1/start?token=x", `{"a":"b"}`, 200, `{"daemonVersion":""}`,
			messages.StartSandbox{ID: "dev-1", Metadata: map[string]string{"a": "b"}}},
		{"start with an empty object", "POST", "/sandboxes/dev-1/start", `{}`, 200, `{"daemonVersion":""}`, messages.StartSandbox{ID: "dev-1"}},
		{"start with null", "POST", "/sandboxes/dev-1/start", `null`, 200, `{"daemonVersion":""}`, messages.StartSandbox{ID: "dev-1"}},
		{"start of what had to be made anew", "POST", "/sandboxes/emptied/start", `{}`, 200, `{"daemonVersion":"","recreated":true}`, nil},
		{"start without a body", "POST", "/sandboxes/dev-1/start", "", 400, "invalid body request: EOF", nil},
		{"start with a number in metadata", "POST", "/sandboxes/dev-1/start", `{"a":1}`, 400,
			"invalid body request: json: cannot unmarshal number into Go value of type string", nil},
		{"start of an unknown one", "POST", "/sandboxes/unknown/start", `{}`, 404, "not found: sandbox unknown does not exist on this runner", nil},
		{"stop", "POST", "/sandboxes/dev-1/stop", "", 200, `"Sandbox stopped"`, messages.StopSandbox{ID: "dev-1"}},
		{"stop with force", "POST", "/sandboxes/dev-1/stop", `{"force":true}`, 200, `"Sandbox stopped"`, messages.StopSandbox{ID: "dev-1", Force: true}},
		{"stop with a bad body", "POST", "/sandboxes/dev-1/stop", `{"force":"yes"`, 200, `"Sandbox stopped"`, messages.StopSandbox{ID: "dev-1"}},
		{"stop of a busy one", "POST", "/sandboxes/busy/stop", "", 409, "conflict: sandbox busy is stopping", nil},
		{"destroy", "POST", "/sandboxes/dev-1/destroy", "", 200, `"Sandbox destroyed"`, messages.DestroySandbox{ID: "dev-1"}},
		{"forget", "DELETE", "/sandboxes/dev-1", "", 200, `"Sandbox removed"`, messages.ForgetSandbox{ID: "dev-1"}},
		{"forget a live one", "DELETE", "/sandboxes/busy", "", 409, "conflict: sandbox busy is stopping", nil},
		{"recover", "POST", "/sandboxes/dev-1/recover", `{"userId":"o","osUser":"u","errorReason":"device died","networkAllowList":null}`, 200,
			`"Sandbox recovered"`, messages.RecoverSandbox{ID: "dev-1"}},
		{"recover without a body", "POST", "/sandboxes/dev-1/recover", "", 400, "invalid body request: EOF", nil},
		{"is-recoverable of a full disk", "POST", "/sandboxes/any/is-recoverable", `{"errorReason":"write: No space left on device"}`, 200, `{"recoverable":true}`, nil},
		{"is-recoverable of a dead device", "POST", "/sandboxes/any/is-recoverable", `{"errorReason":"the device died: no process of it is left"}`, 200, `{"recoverable":true}`, nil},
		{"is-recoverable of what nothing cures", "POST", "/sandboxes/any/is-recoverable", `{"errorReason":"no such image"}`, 200, `{"recoverable":false}`, nil},
		{"is-recoverable without a reason", "POST", "/sandboxes/any/is-recoverable", `{}`, 400, "invalid body request: errorReason is required", nil},
		{"resize", "POST", "/sandboxes/dev-1/resize", `{"cpu":2,"memory":4,"disk":0,"registry":null}`, 200, `"Sandbox resized"`,
			messages.ResizeSandbox{ID: "dev-1", Resources: sandbox.Resources{CPUs: 2, MemoryMB: 4096}}},
		{"resize to a negative size", "POST", "/sandboxes/dev-1/resize", `{"memory":-1}`, 400,
			"invalid body request: memory is -1: it must be at least 1 (GiB); leave it out for the default", nil},
		{"resize of GPUs", "POST", "/sandboxes/dev-1/resize", `{"gpu":1}`, 501, "not implemented: gpu is 1: Android devices have none: leave it out or send 0", nil},
		{"network settings that forbid nothing", "POST", "/sandboxes/dev-1/network-settings", `{"networkBlockAll":false,"networkAllowList":null}`, 200,
			`"Network settings updated"`, messages.UpdateNetworkSettings{ID: "dev-1", Change: sandbox.NetworkChange{BlockAll: ptr(false)}}},
		{"network settings that nobody enforces", "POST", "/sandboxes/dev-1/network-settings", `{"networkBlockAll":true}`, 501, "not implemented: recorded, not enforced", nil},
		{"backup", "POST", "/sandboxes/dev-1/backup", `{"registry":{"url":"r"},"snapshot":"r/backup:1"}`, 201, `"Backup started"`, messages.BeginBackUp{ID: "dev-1", Ref: "r/backup:1"}},
		{"backup to nowhere", "POST", "/sandboxes/dev-1/backup", `{}`, 400, "invalid body request: snapshot is required", nil},
		{"backup under a name that nothing can be created from", "POST", "/sandboxes/dev-1/backup", `{"snapshot":"org/plain"}`, 400,
			`invalid body request: snapshot is "org/plain": a backup's name has a tag and no spaces (REPOSITORY/backup-ID:TAG)`, nil},
		{"pull", "POST", "/snapshots/pull", `{"snapshot":"android-base:1.0","destinationRegistry":null,"destinationRef":"h/p/daytona-1:daytona"}`, 202,
			`"Snapshot pull started"`, messages.BeginPullSnapshot{Source: "android-base:1.0", Ref: "h/p/daytona-1:daytona"}},
		{"pull of nothing", "POST", "/snapshots/pull", `{}`, 400, "invalid body request: snapshot is required", nil},
		{"build", "POST", "/snapshots/build", `{"snapshot":"a:1","dockerfile":"FROM x","organizationId":"o"}`, 501, "not implemented: " + wire.NoBuild, nil},
		{"build without a tag", "POST", "/snapshots/build", `{"snapshot":"a","dockerfile":"FROM x"}`, 400, `bad request: snapshot is "a": it must have a tag (name:tag)`, nil},
		{"tag", "POST", "/snapshots/tag", `{"sourceImage":"android-LATEST","targetImage":"r/a:1"}`, 200, `"Image tagged successfully"`,
			messages.PullSnapshot{Source: "android-LATEST", Ref: "r/a:1"}},
		{"tag without a tag", "POST", "/snapshots/tag", `{"sourceImage":"android-LATEST","targetImage":"a"}`, 400, `bad request: targetImage is "a": it must have a tag (name:tag)`, nil},
		{"inspect", "POST", "/snapshots/inspect", `{"snapshot":"docker.io/android-base:1.0","registry":{"url":"docker.io","project":"","username":""}}`, 200,
			`{"hash":"abc123","sizeGB":1.5}`, messages.InspectSnapshot{Name: "docker.io/android-base:1.0"}},
		{"exists", "GET", "/snapshots/exists?snapshot=android-LATEST", "", 200, `{"exists":true}`, messages.HasSnapshot{Name: "android-LATEST"}},
		{"exists of a moving name", "GET", "/snapshots/exists?snapshot=a%3Alatest", "", 200, `{"exists":false}`, nil},
		{"exists of nothing", "GET", "/snapshots/exists", "", 400, "bad request: the parameter snapshot is required in the query", nil},
		{"snapshot info", "GET", "/snapshots/info?snapshot=android-LATEST", "", 200, `{"name":"android-LATEST","sizeGB":1.5,"hash":"abc123"}`, nil},
		{"info of an unknown snapshot", "GET", "/snapshots/info?snapshot=x", "", 404, "not found: image x does not exist", nil},
		{"info of a snapshot whose pull failed", "GET", "/snapshots/info?snapshot=r%2Ftorn%3A1", "", 422, "unprocessable entity: image torn does not exist", nil},
		{"remove a snapshot", "POST", "/snapshots/remove?snapshot=h%2Fp%2Fx%3A1", "", 200, `"Snapshot removed successfully"`, messages.RemoveSnapshot{Name: "h/p/x:1"}},
		{"remove a snapshot everywhere", "POST", "/snapshots/remove?snapshot=acme%2Fgolden&everywhere=true", "", 200, `"Snapshot removed successfully"`,
			messages.RemoveSnapshot{Name: "acme/golden", Everywhere: true}},
		{"remove a snapshot perhaps everywhere", "POST", "/snapshots/remove?snapshot=acme%2Fgolden&everywhere=yes", "", 400,
			`bad request: everywhere is "yes": want true or false`, nil},
		{"progress", "GET", "/snapshots/acme/golden/progress", "", 200, `{"snapshot":"acme/golden","work":"take","source":"sandbox dev-1","state":"running","step":"upload x",` +
			`"since":"2026-11-23T12:00:00.5Z","doneBytes":1,"totalBytes":11,"networkBytes":3,"bytesPerSecond":5,"secondsLeft":2}`, messages.GetSnapshotProgress{Name: "acme/golden"}},
		{"progress of a reference", "GET", "/snapshots/progress?snapshot=r%2Ftorn%3A1", "", 200, `{"snapshot":"r/torn:1","work":"take","source":"sandbox dev-1","state":"failed","step":"upload x",` +
			`"since":"2026-11-23T12:00:00.5Z","ended":"2026-11-23T12:00:01.5Z","doneBytes":1,"totalBytes":11,"networkBytes":3,"bytesPerSecond":5,"secondsLeft":2,"error":"no S3"}`, nil},
		{"progress of nothing", "GET", "/snapshots/acme/x/progress", "", 404, "not found: nothing was done with snapshot acme/x", nil},
		{"build logs", "GET", "/snapshots/logs?snapshotRef=a%3A1&follow=true", "", 404, "not found: " + wire.NoBuildLogs, nil},
		{"transitions", "GET", "/sandboxes/dev-1/transitions", "", 200, `[{"from":"started","to":"error","reason":"it died","at":"2026-11-23T12:00:01.5Z"},` +
			`{"from":"unknown","to":"started","reason":"","at":"2026-11-23T12:00:00.5Z"}]`, messages.GetTransitions{ID: "dev-1"}},
		{"no transitions yet", "GET", "/sandboxes/dev/transitions", "", 200, `[]`, nil},
		{"transitions of an unknown one", "GET", "/sandboxes/unknown/transitions", "", 404, "not found: sandbox unknown does not exist on this runner", nil},
		{"recoverable", "GET", "/sandboxes/broken", "", 200, `{"backupState":"NONE","recoverable":true,` +
			strings.Replace(strings.Replace(goneJSON, `"gone","state":"destroyed"`, `"broken","state":"error"`, 1), `"instanceNum":0`, `"instanceNum":1`, 1), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, told := start(t, o)
			got := c.Do(tt.method, tt.path, tt.body)
			body := got.Body
			if tt.status >= 400 {
				body = got.Field(t, "message")
			}
			if got.Status != tt.status || body != tt.want {
				t.Errorf("got %d %s\nwant %d %s", got.Status, body, tt.status, tt.want)
			}
			if tt.told != nil {
				if msg := <-told; !reflect.DeepEqual(msg, tt.told) {
					t.Errorf("the actors were told %#v, want %#v", msg, tt.told)
				}
			}
		})
	}
}

// Ensure bad input is refused at the door, with the field's name, and the actors hear nothing.
func TestBadCreates(t *testing.T) {
	t.Parallel()
	c, told := start(t, runnerapi.Options{})
	tests := []struct {
		name, body string
		status     int
		want       string // part of the message
	}{
		{"nothing", "", 400, "invalid body request: EOF"},
		{"no JSON", "id=dev-1", 400, "invalid body request: invalid character 'i'"},
		{"cut short", `{"id":"a"`, 400, "invalid body request: unexpected end"},
		{"something behind", `{"id":"a","snapshot":"s"} x`, 400, "invalid body request: invalid character 'x' after"},
		{"an array", `[]`, 400, "invalid body request: json: cannot unmarshal array into Go value of type wire.CreateSandboxDTO"},
		{"null", `null`, 400, "id is required"},
		{"no id", `{"snapshot":"s"}`, 400, "id is required"},
		{"an empty id", `{"id":"","snapshot":"s"}`, 400, "id is required"},
		{"a number for an id", `{"id":7,"snapshot":"s"}`, 400, "CreateSandboxDTO.id of type string"},
		{"an id with a slash", `{"id":"a/b","snapshot":"s"}`, 400, `id: sandbox id "a/b": character 2`},
		{"an id of dots", `{"id":"..","snapshot":"s"}`, 400, `id: sandbox id ".."`},
		{"an id with NUL", `{"id":"a\u0000","snapshot":"s"}`, 400, "id: sandbox id"},
		{"an endless id", `{"id":"` + strings.Repeat("a", 10_000) + `","snapshot":"s"}`, 400, "id: sandbox id has 10000 characters"},
		{"no snapshot", `{"id":"a"}`, 400, "snapshot is required"},
		{"no cores", `{"id":"a","snapshot":"s","cpuQuota":0}`, 400, "cpuQuota is 0: it must be at least 1 (cores)"},
		{"negative memory", `{"id":"a","snapshot":"s","memoryQuota":-1}`, 400, "memoryQuota is -1"},
		{"no disk", `{"id":"a","snapshot":"s","storageQuota":0}`, 400, "storageQuota is 0: it must be at least 1 (GiB)"},
		{"half a core", `{"id":"a","snapshot":"s","cpuQuota":1.5}`, 400, "cannot unmarshal number 1.5 into Go struct field CreateSandboxDTO.cpuQuota of type int64"},
		{"memory in text", `{"id":"a","snapshot":"s","memoryQuota":"4"}`, 400, "CreateSandboxDTO.memoryQuota of type int64"},
		{"more memory than numbers", `{"id":"a","snapshot":"s","memoryQuota":9223372036854775807}`, 400, "memoryQuota is 9223372036854775807: it must be at most"},
		{"a number beyond numbers", `{"id":"a","snapshot":"s","storageQuota":9223372036854775808}`, 400, "CreateSandboxDTO.storageQuota"},
		{"a GPU", `{"id":"a","snapshot":"s","gpuQuota":1}`, 501, "gpuQuota is 1: Android devices have none"},
		{"less than no GPU", `{"id":"a","snapshot":"s","gpuQuota":-1}`, 400, "gpuQuota is -1"},
		{"a list of environments", `{"id":"a","snapshot":"s","env":["x"]}`, 400, "CreateSandboxDTO.env of type map[string]string"},
		{"numbers in metadata", `{"id":"a","snapshot":"s","metadata":{"a":1}}`, 400, "of type string"},
		{"text for skipStart", `{"id":"a","snapshot":"s","skipStart":"no"}`, 400, "CreateSandboxDTO.skipStart of type bool"},
		{"volumes that are none", `{"id":"a","snapshot":"s","volumes":["v"]}`, 400, "of type wire.VolumeDTO"},
		{"too much of it", `{"id":"` + strings.Repeat("a", 1<<20) + `"}`, 413, "payload too large: the body is over the limit of 1048576 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := c.For(t).Do("POST", "/sandboxes", tt.body)
			if got.Status != tt.status || !strings.Contains(got.Field(t, "message"), tt.want) {
				t.Errorf("got %d %.300s\nwant %d %s", got.Status, got.Body, tt.status, tt.want)
			}
			if code := got.Field(t, "code"); tt.status == 400 && code != "INVALID_REQUEST_BODY" {
				t.Errorf("code %s", code)
			}
		})
	}
	if len(told) != 0 {
		t.Errorf("the actors were told %v", <-told)
	}
}

// Ensure a malformed id in the path is a 400 on every route, before the actors hear of it.
func TestMalformedIDs(t *testing.T) {
	t.Parallel()
	c, told := start(t, runnerapi.Options{})
	for _, r := range runnerapi.Routes(nil, runnerapi.Options{}) {
		if !strings.Contains(r.Path, "{id}") {
			continue
		}
		for _, id := range []string{"a%2Fb", "..", "%2e%2e", "%00", "a%20b", "-a", "", strings.Repeat("a", 10_000)} {
			path := strings.ReplaceAll(r.Path, "{id}", id)
			got := c.Raw(r.Method + " " + path + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + transporttest.Token + "\r\nContent-Length: 2\r\n\r\n{}")
			if id == "" && r.Path == "/sandboxes/{id}" && r.Method == "GET" {
				continue // the list, spelled with a slash
			}
			want := 400
			if id == "" && r.Path == "/sandboxes/{id}" {
				want = 404
			}
			if got.Status != want {
				t.Errorf("%s %.40s: %d %.200s, want %d", r.Method, path, got.Status, got.Body, want)
			}
		}
	}
	for len(told) > 0 {
		if msg := <-told; msg != any(messages.ListSandboxes{}) {
			t.Errorf("the actors were told %v", msg)
		}
	}
}

// Ensure requests that wait too long are told so, and what to do.
func TestWaitsEnd(t *testing.T) {
	t.Parallel()
	never := transporttest.AskerFunc(func(ctx context.Context, _ any) (any, error) {
		<-ctx.Done()
		return nil, fault.Op("ask root/sb-a", context.Cause(ctx))
	})
	short := 20 * time.Millisecond
	waits := runnerapi.Waits{Create: short, Start: short, Stop: short, Destroy: short}
	c := transporttest.Start(t, transport.Options{}, func(s *transport.Server) {
		s.Mount("", runnerapi.Routes(never, runnerapi.Options{Waits: waits}))
	})
	for path, body := range map[string]string{
		"": `{"id":"a","snapshot":"s"}`, "/a/start": "{}", "/a/stop": "", "/a/destroy": "",
	} {
		got := c.Do("POST", "/sandboxes"+path, body)
		if got.Status != 504 || !strings.Contains(got.Body, "sandbox a: no end within 20ms; it may still happen: ask for the state") {
			t.Errorf("%s: got %d %s", path, got.Status, got.Body)
		}
	}
}

// Ensure what is written by hand is what encoding/json would make of it.
func TestItemIsJSON(t *testing.T) {
	t.Parallel()
	c, _ := start(t, runnerapi.Options{})
	var got struct {
		ID, State, Reason, ADBSerial, Snapshot string
		Since, ObservedAt                      time.Time
		Evidence                               []sandbox.Evidence
		InstanceNum, ADBPort                   int
		Metadata                               map[string]string
		Resources                              sandbox.Resources
		BackupState                            string
		Recoverable                            bool
	}
	body := c.Do("GET", "/sandboxes/dev-1", "").Body
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&got); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	if got.Reason != dev1.Reason || !got.Since.Equal(dev1.Since) || !reflect.DeepEqual(got.Evidence, dev1.Evidence) ||
		!reflect.DeepEqual(got.Metadata, dev1.Metadata) || got.Resources != dev1.Resources {
		t.Errorf("got %+v", got)
	}
}

// host is a HostInfo of one function.
type host func(context.Context) (wire.RunnerInfoDTO, error)

func (h host) Info(ctx context.Context) (wire.RunnerInfoDTO, error) { return h(ctx) }

func TestInfo(t *testing.T) {
	t.Parallel()
	report := wire.RunnerInfoDTO{
		AppVersion: "v1",
		Metrics: &wire.RunnerMetricsDTO{CPULoadAverage: 0.5, CPUPercent: 12.25, MemoryPercent: 40, DiskPercent: 50, AllocatedCPUs: 4,
			AllocatedMemoryGiB: 8, AllocatedDiskGiB: 32, Snapshots: 1, StartedSandboxes: 2},
		ServiceHealth: []wire.ServiceHealthDTO{{ServiceName: "cvd", Healthy: true}, {ServiceName: "adb", ErrorReason: "gone"}},
		Daytona:       wire.RegistrationDTO{Reason: "no URL"},
	}
	c, _ := start(t, runnerapi.Options{Version: "v1", HostInfo: host(func(context.Context) (wire.RunnerInfoDTO, error) { return report, nil })})
	want := `{"serviceHealth":[{"serviceName":"cvd","healthy":true},{"serviceName":"adb","healthy":false,"errorReason":"gone"}],` +
		`"metrics":{"currentCpuLoadAverage":0.5,"currentCpuUsagePercentage":12.25,"currentMemoryUsagePercentage":40,` +
		`"currentDiskUsagePercentage":50,"currentAllocatedCpu":4,"currentAllocatedMemoryGiB":8,"currentAllocatedDiskGiB":32,` +
		`"currentSnapshotCount":1,"currentStartedSandboxes":2},"appVersion":"v1","daytona":{"registered":false,"reason":"no URL"}}`
	if got := c.Do("GET", "/info", ""); got.Status != 200 || got.Body != want {
		t.Errorf("got %d %s\nwant %s", got.Status, got.Body, want)
	}
	c, _ = start(t, runnerapi.Options{HostInfo: host(func(context.Context) (wire.RunnerInfoDTO, error) {
		return wire.RunnerInfoDTO{}, errors.New("no /proc")
	})})
	if got := c.Do("GET", "/info", ""); got.Status != 500 || !strings.HasSuffix(got.Field(t, "message"), ": measure the host: no /proc") {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
}
