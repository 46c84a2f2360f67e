package jobs_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/daytonaio/runner-android/internal/daytona/wire"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

const ref = "127.0.0.1:15000/daytona/daytona-0123abcd:daytona"

// Payloads as the real API wrote them (v0.190.0), ids shortened.
const (
	registry = `{"project":"daytona","url":"127.0.0.1:15000","username":"admin","password":"pass-word-1"}`
	create   = `{"id":"0e94bc09","name":"dev1","userId":"558d4bee","snapshot":"` + ref + `","osUser":"daytona","cpuQuota":1,"gpuQuota":0,"memoryQuota":1,` +
		`"storageQuota":3,"env":{"A":"b"},"registry":` + registry + `,"entrypoint":null,"volumes":[],"networkBlockAll":false,"networkAllowList":null,` +
		`"domainAllowList":null,"metadata":{"organizationId":"558d4bee","limitNetworkEgress":"false","sandboxName":"dev1"},` +
		`"authToken":"0123456789abcdef0123456789abcdef","organizationId":"558d4bee","regionId":"us","sandboxClass":"container"}`
	// February's API had fewer fields, and the snapshot's name for its ref.
	createOfFebruary = `{"id":"0e94bc09","userId":"558d4bee","snapshot":"android-LATEST","osUser":"daytona","cpuQuota":2,"gpuQuota":0,"memoryQuota":4,` +
		`"storageQuota":16,"env":null,"networkBlockAll":true,"metadata":null}`
	recovery = `{"userId":"o","snapshot":"android-base:1.0","osUser":"u","cpuQuota":1,"gpuQuota":0,"memoryQuota":1,"storageQuota":3,"env":{},"volumes":[],` +
		`"networkBlockAll":false,"networkAllowList":null,"errorReason":"device crashed","backupErrorReason":null,"registry":` + registry + `,"skipStart":false}`
)

var createdAsRecorded = messages.CreateSandbox{ID: "0e94bc09", Spec: sandbox.Spec{
	Snapshot: ref, Resources: sandbox.Resources{CPUs: 1, MemoryMB: 1024, DiskGB: 3},
	Metadata: map[string]string{"organizationId": "558d4bee", "limitNetworkEgress": "false", "sandboxName": "dev1"},
}}

// allTypes reads the types of jobs from the source, so that a new one cannot be forgotten here.
func allTypes(t *testing.T) map[string]bool {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../internal/daytona/wire/job.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "Job") {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			found[value] = false
		}
		return true
	})
	return found
}

func TestEveryJobBecomesOneCommandOrARefusal(t *testing.T) {
	t.Parallel()
	const box = "0e94bc09"
	start := func(metadata map[string]string) any { return messages.StartSandbox{ID: box, Metadata: metadata} }
	tests := []struct {
		name, kind, subject, payload string
		want                         any
		limit                        time.Duration // at most: the API gives up then
		boots                        bool
		refusal                      string // of kind Unsupported
	}{
		{"create", wire.JobCreateSandbox, box, create, createdAsRecorded, 15 * time.Minute, true, ""},
		{"create of February", wire.JobCreateSandbox, box, createOfFebruary, messages.CreateSandbox{ID: box, Spec: sandbox.Spec{
			Snapshot: "android-LATEST", Resources: sandbox.Resources{CPUs: 2, MemoryMB: 4096, DiskGB: 16}, Network: sandbox.Network{BlockAll: true},
		}}, 15 * time.Minute, true, ""},
		{"start", wire.JobStartSandbox, box, `{"authToken":"x","metadata":{"organizationId":"o"}}`, start(map[string]string{"organizationId": "o"}), 5 * time.Minute, true, ""},
		{"start of February", wire.JobStartSandbox, box, `{"organizationId":"o"}`, start(map[string]string{"organizationId": "o"}), 5 * time.Minute, true, ""},
		{"start without metadata", wire.JobStartSandbox, box, `{"authToken":"x"}`, start(nil), 5 * time.Minute, true, ""},
		{"start without a payload", wire.JobStartSandbox, box, ``, start(nil), 5 * time.Minute, true, ""},
		{"stop", wire.JobStopSandbox, box, `{}`, messages.StopSandbox{ID: box}, 10 * time.Minute, false, ""},
		{"stop with force", wire.JobStopSandbox, box, `{"force":true}`, messages.StopSandbox{ID: box, Force: true}, 10 * time.Minute, false, ""},
		{"stop of February", wire.JobStopSandbox, box, ``, messages.StopSandbox{ID: box}, 10 * time.Minute, false, ""},
		{"destroy", wire.JobDestroySandbox, box, ``, messages.DestroySandbox{ID: box}, 10 * time.Minute, false, ""},
		{"destroy with anything for a payload", wire.JobDestroySandbox, box, `[`, messages.DestroySandbox{ID: box}, 10 * time.Minute, false, ""},
		{"recover", wire.JobRecoverSandbox, box, recovery, messages.RecoverSandbox{ID: box}, 10 * time.Minute, true, ""},
		{"recover, and leave it stopped", wire.JobRecoverSandbox, box, `{"skipStart":true}`, messages.RecoverSandbox{ID: box, SkipStart: true}, 10 * time.Minute, true, ""},
		{"resize", wire.JobResizeSandbox, box, `{"cpu":2,"memory":4}`, messages.ResizeSandbox{ID: box, Resources: sandbox.Resources{CPUs: 2, MemoryMB: 4096}}, 10 * time.Minute, false, ""},
		{"network settings", wire.JobUpdateNetwork, box, `{"networkBlockAll":true}`,
			messages.UpdateNetworkSettings{ID: box, Change: sandbox.NetworkChange{BlockAll: ptr(true)}}, 10 * time.Minute, false, ""},
		{"pull", wire.JobPullSnapshot, ref, `{"snapshot":"android-base:1.0","sandboxClass":"container","destinationRegistry":` + registry + `,"destinationRef":"` + ref + `"}`,
			messages.PullSnapshot{Source: "android-base:1.0", Ref: ref}, 2 * time.Hour, false, ""},
		{"pull of February", wire.JobPullSnapshot, "android-base:1.0", `{"snapshot":"android-base:1.0","registry":null}`,
			messages.PullSnapshot{Source: "android-base:1.0", Ref: "android-base:1.0"}, 2 * time.Hour, false, ""},
		{"remove a snapshot", wire.JobRemoveSnapshot, ref, ``, messages.RemoveSnapshot{Name: ref}, 10 * time.Minute, false, ""},
		{"inspect", wire.JobInspectSnapshot, "docker.io/android-base:1.0", `{"snapshot":"docker.io/android-base:1.0","registry":{"project":"","url":"docker.io","username":"","password":""}}`,
			messages.InspectSnapshot{Name: "docker.io/android-base:1.0"}, 30 * time.Second, false, ""},
		{"backup", wire.JobCreateBackup, box, `{"snapshot":"h/p/backup-0e94bc09:2026-11-23T18-38-50-082Z","registry":` + registry + `}`,
			messages.BackUpSandbox{ID: box, Ref: "h/p/backup-0e94bc09:2026-11-23T18-38-50-082Z"}, 2 * time.Hour, false, ""},
		{"snapshot of a sandbox", wire.JobSnapshotSandbox, box, `{"sandboxId":"0e94bc09","name":"mysnap","organizationId":"o","registry":` + registry + `}`, messages.TakeSnapshot{ID: "0e94bc09", Name: "o/mysnap"}, 2 * time.Hour, false, ""},
		{"fork", wire.JobForkSandbox, "new-1", `{"sourceSandboxId":"0e94bc09","newSandboxId":"new-1"}`, nil, 10 * time.Minute, false, wire.NoFork},
		{"pause", wire.JobPauseSandbox, box, `{"sandboxId":"0e94bc09"}`, nil, 10 * time.Minute, false, wire.NoPause},
		{"build", wire.JobBuildSnapshot, "a:1", `{"snapshot":"a:1","dockerfile":"FROM x","organizationId":"o"}`, nil, 10 * time.Minute, false, wire.NoBuild},
	}
	seen := allTypes(t)
	if len(seen) != 15 {
		t.Errorf("%d types were found, want 15", len(seen))
	}
	for _, tt := range tests {
		seen[tt.kind] = true
		got := translated(t, wire.Job{ID: "j-1", Type: tt.kind, Status: "IN_PROGRESS", ResourceType: "SANDBOX", ResourceID: tt.subject, Payload: tt.payload})
		if got.ID != "j-1" || got.Type != tt.kind || got.Subject != tt.subject || got.Boots != tt.boots || got.Trace.IsValid() {
			t.Errorf("%s: got %+v", tt.name, got)
		}
		if got.Limit <= 0 || got.Limit > tt.limit {
			t.Errorf("%s: it may take %s, want no more than %s", tt.name, got.Limit, tt.limit)
		}
		if !reflect.DeepEqual(got.Command, tt.want) {
			t.Errorf("%s: got  %#v\nwant %#v", tt.name, got.Command, tt.want)
		}
		if tt.refusal == "" && got.Refusal != nil || tt.refusal != "" && (!fault.Is(got.Refusal, fault.Unsupported) || got.Refusal.Error() != tt.refusal) {
			t.Errorf("%s: refused with %v, want %q", tt.name, got.Refusal, tt.refusal)
		}
	}
	for kind, tested := range seen {
		if !tested {
			t.Errorf("no row for %s", kind)
		}
	}
}

// Ensure what cannot be read is refused, with the field's name, and gets no command.
func TestJobsThatCannotBeDone(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, kind, subject, payload, want string }{
		{"create without a payload", wire.JobCreateSandbox, "a", ``, "payload: payload is required"},
		{"resize without a payload", wire.JobResizeSandbox, "a", ``, "payload: payload is required"},
		{"network settings without a payload", wire.JobUpdateNetwork, "a", ``, "payload: payload is required"},
		{"pull without a payload", wire.JobPullSnapshot, "a", ``, "payload: payload is required"},
		{"inspect without a payload", wire.JobInspectSnapshot, "a", ``, "payload: payload is required"},
		{"create of null", wire.JobCreateSandbox, "a", `null`, "payload: id is required"},
		{"create without an image", wire.JobCreateSandbox, "a", `{"id":"a"}`, "payload: snapshot is required"},
		{"create of half a core", wire.JobCreateSandbox, "a", `{"id":"a","cpuQuota":0.5}`, "payload: json: cannot unmarshal number 0.5 into Go struct field CreateSandboxDTO.cpuQuota of type int64"},
		{"create of a bad id", wire.JobCreateSandbox, "a", `{"id":"../a","snapshot":"s"}`, `payload: id: sandbox id "../a": character 1`},
		{"pull of nothing", wire.JobPullSnapshot, "a", `{}`, "snapshot is required"},
		{"inspect of nothing", wire.JobInspectSnapshot, "a", `{"snapshot":null}`, "payload: snapshot is required"},
		{"resize to less than nothing", wire.JobResizeSandbox, "a", `{"cpu":-1}`, "cpu is -1"},
		{"start with a torn payload", wire.JobStartSandbox, "a", `{"metadata":`, "payload: unexpected end of JSON input"},
		{"stop with a text for force", wire.JobStopSandbox, "a", `{"force":"yes"}`, "payload: json: cannot unmarshal string"},
		{"recover with a list", wire.JobRecoverSandbox, "a", `[]`, "payload: json: cannot unmarshal array"},
		{"start of a bad id", wire.JobStartSandbox, "../a", ``, `resourceId: sandbox id "../a"`},
		{"stop of nothing", wire.JobStopSandbox, "", ``, "resourceId: sandbox id is empty"},
		{"destroy of a bad id", wire.JobDestroySandbox, "a/b", ``, `resourceId: sandbox id "a/b"`},
		{"recover of a bad id", wire.JobRecoverSandbox, " ", `{}`, "resourceId: sandbox id"},
		{"resize of a bad id", wire.JobResizeSandbox, ".", `{}`, "resourceId: sandbox id"},
		{"network settings of a bad id", wire.JobUpdateNetwork, "a\n", `{}`, "resourceId: sandbox id"},
		{"remove of no snapshot", wire.JobRemoveSnapshot, "", ``, "resourceId is empty: it names the snapshot"},
	}
	for _, tt := range tests {
		got := translated(t, wire.Job{ID: "j", Type: tt.kind, ResourceID: tt.subject, Payload: tt.payload})
		if got.Command != nil || got.Type != tt.kind || !fault.Is(got.Refusal, fault.Invalid) || !strings.HasPrefix(got.Refusal.Error(), tt.want) {
			t.Errorf("%s: got command %#v, refusal %v, want none and %q", tt.name, got.Command, got.Refusal, tt.want)
		}
	}
}

// Ensure a stranger's word does not become a label of a metric.
func TestUnknownTypes(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"ARCHIVE_SANDBOX", "", "create_sandbox", "UNKNOWN"} {
		got := translated(t, wire.Job{ID: "j", Type: kind, ResourceID: "a", Payload: `{}`})
		if got.Type != "UNKNOWN" || got.Command != nil || !fault.Is(got.Refusal, fault.Unsupported) || got.Refusal.Error() != "unknown job type: "+kind {
			t.Errorf("%q: got %+v", kind, got)
		}
	}
}

func TestTheTraceOfWhoOrderedTheJob(t *testing.T) {
	t.Parallel()
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	tests := []struct {
		name string
		keys map[string]string
		want string // trace id; empty: none
	}{
		{"absent", nil, ""},
		{"valid", map[string]string{"traceparent": parent, "tracestate": "a=b", "baggage": "c=d"}, "4bf92f3577b34da6a3ce929d0e0e4736"},
		{"a later version of the header", map[string]string{"traceparent": "cc" + parent[2:] + "-more"}, "4bf92f3577b34da6a3ce929d0e0e4736"},
		{"not sampled", map[string]string{"traceparent": parent[:len(parent)-1] + "0"}, "4bf92f3577b34da6a3ce929d0e0e4736"},
		{"garbage", map[string]string{"traceparent": "garbage"}, ""},
		{"of zeros", map[string]string{"traceparent": "00-00000000000000000000000000000000-0000000000000000-01"}, ""},
		{"a state without a parent", map[string]string{"tracestate": "a=b"}, ""},
		{"empty", map[string]string{"traceparent": ""}, ""},
	}
	for _, tt := range tests {
		got := translated(t, wire.Job{Type: wire.JobStopSandbox, ResourceID: "a", TraceContext: tt.keys}).Trace
		if tt.want == "" && got.IsValid() || tt.want != "" && (got.TraceID().String() != tt.want || !got.IsRemote()) {
			t.Errorf("%s: got %+v, want %q", tt.name, got, tt.want)
		}
		if sampled := tt.name != "not sampled" && tt.want != ""; got.IsSampled() != sampled {
			t.Errorf("%s: flags are %s", tt.name, got.TraceFlags())
		}
	}
	if got := translated(t, wire.Job{TraceContext: tests[1].keys}).Trace; got.TraceState().String() != "a=b" || got.SpanID() != (trace.SpanID{0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7}) {
		t.Errorf("a job that is refused: got %+v", got)
	}
}

// Ensure every job gets a command or a reason, and never both.
func FuzzTranslate(f *testing.F) {
	f.Add(wire.JobCreateSandbox, "0e94bc09", create, "")
	f.Add(wire.JobStartSandbox, "a", `{"metadata":"x"}`, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	f.Add(wire.JobResizeSandbox, "a", `{"cpu":1e3}`, "00")
	f.Add(wire.JobRemoveSnapshot, "", ``, "")
	f.Fuzz(func(t *testing.T, kind, subject, payload, parent string) {
		got := translated(t, wire.Job{ID: "j", Type: kind, ResourceID: subject, Payload: payload, TraceContext: map[string]string{"traceparent": parent}})
		if (got.Command == nil) == (got.Refusal == nil) || got.Refusal != nil && fault.Is(got.Refusal, fault.Internal) {
			t.Errorf("%s %q %s: got %#v, %v", kind, subject, payload, got.Command, got.Refusal)
		}
		if to, ok := got.Command.(messages.Addressed); ok {
			if _, err := sandbox.ParseID(string(to.Sandbox())); err != nil {
				t.Errorf("%s %q %s: for %q", kind, subject, payload, to.Sandbox())
			}
		}
	})
}

func FuzzJobs(f *testing.F) {
	f.Add([]byte(`{"id":"1","type":"STOP_SANDBOX","resourceId":"a","payload":"{}","traceContext":{"traceparent":null}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var j wire.Job
		if json.Unmarshal(data, &j) == nil {
			if got := translated(t, j); (got.Command == nil) == (got.Refusal == nil) || got.ID != j.ID {
				t.Errorf("%s: got %+v", data, got)
			}
		}
	})
}
