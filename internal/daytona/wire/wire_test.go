package wire_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/internal/daytona/wire"
	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

func text(t testing.TB, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func ptr[T any](v T) *T { return &v }

// fields lists the JSON names of a DTO.
func fields(dto any) []string {
	var out []string
	for f := range reflect.TypeOf(dto).Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			out = append(out, name)
		}
	}
	return out
}

// inbound are the DTOs that others write.
func inbound() []any {
	return []any{
		wire.CreateSandboxDTO{}, wire.RegistryDTO{}, wire.VolumeDTO{}, wire.StopSandboxDTO{}, wire.ResizeSandboxDTO{}, wire.RecoverSandboxDTO{},
		wire.IsRecoverableDTO{}, wire.UpdateNetworkSettingsDTO{}, wire.CreateBackupDTO{}, wire.PullSnapshotDTO{}, wire.BuildSnapshotDTO{},
		wire.TagImageDTO{}, wire.InspectSnapshotDTO{}, wire.SnapshotFromSandboxDTO{}, wire.Job{}, wire.RunnerDTO{}, wire.SandboxDTO{},
	}
}

func TestNullIsNothingInEveryField(t *testing.T) {
	t.Parallel()
	for _, dto := range inbound() {
		nulls := map[string]any{"aFieldOfLater": []int{1}}
		for _, name := range fields(dto) {
			nulls[name] = nil
		}
		if len(nulls) < 2 {
			t.Errorf("%T has no fields", dto)
		}
		got := reflect.New(reflect.TypeOf(dto))
		if err := json.Unmarshal([]byte(text(t, nulls)), got.Interface()); err != nil || !got.Elem().IsZero() {
			t.Errorf("%T with nulls: got %+v, %v, want it empty", dto, got.Elem(), err)
		}
	}
}

// Ensure what Android has no use for is still read, so that a wrong type is told.
func TestWrongTypesAreRefusedInEveryField(t *testing.T) {
	t.Parallel()
	for _, dto := range inbound() {
		for _, name := range fields(dto) {
			got := reflect.New(reflect.TypeOf(dto))
			err := json.Unmarshal([]byte(`{"`+name+`":[[1]]}`), got.Interface())
			if err == nil {
				t.Errorf("%T.%s took a list of lists: %+v", dto, name, got.Elem())
			}
		}
	}
}

func TestWrongTypesAreToldAsDaytonaTellsThem(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body, want string }{
		{"a number for an id", `{"id":7}`, "json: cannot unmarshal number into Go struct field CreateSandboxDTO.id of type string"},
		{"a text for a quota", `{"cpuQuota":"2"}`, "json: cannot unmarshal string into Go struct field CreateSandboxDTO.cpuQuota of type int64"},
		{"half a core", `{"cpuQuota":1.5}`, "json: cannot unmarshal number 1.5 into Go struct field CreateSandboxDTO.cpuQuota of type int64"},
		{"a number in metadata", `{"metadata":{"a":1}}`, "json: cannot unmarshal number into Go struct field CreateSandboxDTO.metadata of type string"},
		{"a text for entrypoint", `{"entrypoint":"sh"}`, "json: cannot unmarshal string into Go struct field CreateSandboxDTO.entrypoint of type []string"},
		{"a number for a password", `{"registry":{"password":1}}`, "json: cannot unmarshal number into Go struct field RegistryDTO.registry.password of type string"},
	}
	for _, tt := range tests {
		var dto wire.CreateSandboxDTO
		if err := json.Unmarshal([]byte(tt.body), &dto); err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}

func TestStartOfBothGenerations(t *testing.T) {
	t.Parallel()
	type texts = map[string]string
	tests := []struct {
		name, payload string
		want          texts
		wrong         string
	}{
		{"v0.190: wrapped", `{"authToken":"t","metadata":{"organizationId":"o","limitNetworkEgress":"false"}}`, texts{"organizationId": "o", "limitNetworkEgress": "false"}, ""},
		{"v0.190: wrapped, the other way round", `{"metadata":{"a":"b"},"authToken":"t"}`, texts{"a": "b"}, ""},
		{"v0.190: wrapped, without the token", `{"metadata":{"a":"b"}}`, texts{"a": "b"}, ""},
		{"v0.190: wrapped, with a null token", `{"authToken":null,"metadata":{"a":"b"}}`, texts{"a": "b"}, ""},
		{"v0.190: nothing in it", `{"authToken":"t","metadata":{}}`, nil, ""},
		{"v0.190: null in it", `{"authToken":"t","metadata":null}`, nil, ""},
		{"v0.190: only the token", `{"authToken":"t"}`, nil, ""},
		{"v0.190: with fields of later", `{"authToken":"t","metadata":{"a":"b"},"later":{"x":[1]}}`, texts{"a": "b"}, ""},
		{"v0.190: null members", `{"metadata":{"a":null,"b":"c"}}`, texts{"b": "c"}, ""},
		{"February: bare", `{"organizationId":"o","sandboxName":"dev1"}`, texts{"organizationId": "o", "sandboxName": "dev1"}, ""},
		{"February: with a text called metadata", `{"metadata" : "m","a":"b"}`, texts{"metadata": "m", "a": "b"}, ""},
		{"February: null members", `{"a":null,"b":"c"}`, texts{"b": "c"}, ""},
		{"February: empty", `{}`, nil, ""},
		{"null", `null`, nil, ""},
		{"a number in bare metadata", `{"a":1}`, nil, "json: cannot unmarshal number into Go value of type string"},
		{"a number in wrapped metadata", `{"metadata":{"a":1}}`, nil, "json: cannot unmarshal number into Go value of type string"},
		{"a list for metadata", `{"metadata":["a"]}`, nil, "json: cannot unmarshal array into Go value of type map[string]*string"},
		{"a list", `[]`, nil, "json: cannot unmarshal array into Go value of type map[string]json.RawMessage"},
	}
	for _, tt := range tests {
		var dto wire.StartSandboxDTO
		err := json.Unmarshal([]byte(tt.payload), &dto)
		if tt.wrong != "" {
			if err == nil || err.Error() != tt.wrong {
				t.Errorf("%s: got %v, want %s", tt.name, err, tt.wrong)
			}
			continue
		}
		if got := dto.Metadata.OrNil(); err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %v, %v, want %v", tt.name, got, err, tt.want)
		}
	}
}

func TestQuotas(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, fields string
		want         sandbox.Resources
		kind         fault.Kind // 0 with wrong: Internal, which none is
		wrong        string
	}{
		{"none", ``, sandbox.Resources{}, 0, ""},
		{"nulls", `,"cpuQuota":null,"memoryQuota":null,"storageQuota":null,"gpuQuota":null`, sandbox.Resources{}, 0, ""},
		{"all", `,"cpuQuota":2,"memoryQuota":4,"storageQuota":16,"gpuQuota":0`, sandbox.Resources{CPUs: 2, MemoryMB: 4096, DiskGB: 16}, 0, ""},
		{"the most", `,"cpuQuota":1024,"memoryQuota":1048576`, sandbox.Resources{CPUs: 1024, MemoryMB: 1 << 30}, 0, ""},
		{"no core", `,"cpuQuota":0`, sandbox.Resources{}, fault.Invalid, "cpuQuota is 0: it must be at least 1 (cores); leave it out for the default"},
		{"negative memory", `,"memoryQuota":-1`, sandbox.Resources{}, fault.Invalid, "memoryQuota is -1: it must be at least 1 (GiB); leave it out for the default"},
		{"too many cores", `,"cpuQuota":1025`, sandbox.Resources{}, fault.Invalid, "cpuQuota is 1025: it must be at most 1024 (cores)"},
		{"memory that would overflow", `,"memoryQuota":9223372036854775807`, sandbox.Resources{}, fault.Invalid, "memoryQuota is 9223372036854775807: it must be at most 1048576 (GiB)"},
		{"a disk of the universe", `,"storageQuota":1048577`, sandbox.Resources{}, fault.Invalid, "storageQuota is 1048577: it must be at most 1048576 (GiB)"},
		{"a GPU", `,"gpuQuota":1`, sandbox.Resources{}, fault.Unsupported, "gpuQuota is 1: Android devices have none: leave it out or send 0"},
		{"fewer GPUs than none", `,"gpuQuota":-1`, sandbox.Resources{}, fault.Invalid, "gpuQuota is -1: it must be at least 0"},
		{"an id that is none", `,"id":"../x"`, sandbox.Resources{}, fault.Invalid, `id: sandbox id "../x": character 1 is not allowed: want [A-Za-z0-9][A-Za-z0-9_.-]*`},
		{"no id", `,"id":""`, sandbox.Resources{}, fault.Invalid, "id is required"},
		{"no snapshot", `,"snapshot":null,"snapshot":""`, sandbox.Resources{}, fault.Invalid, "snapshot is required"},
	}
	for _, tt := range tests {
		var dto wire.CreateSandboxDTO
		if err := json.Unmarshal([]byte(`{"id":"dev-1","snapshot":"s"`+tt.fields+`}`), &dto); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		_, spec, err := dto.Spec()
		if tt.wrong != "" {
			if !fault.Is(err, tt.kind) || err.Error() != tt.wrong {
				t.Errorf("%s: got %v (%s), want %s (%s)", tt.name, err, fault.KindOf(err), tt.wrong, tt.kind)
			}
		} else if err != nil || spec.Resources != tt.want {
			t.Errorf("%s: got %+v, %v, want %+v", tt.name, spec.Resources, err, tt.want)
		}
	}
}

func TestSpecCarriesWhatARunnerKeeps(t *testing.T) {
	t.Parallel()
	var dto wire.CreateSandboxDTO
	body := `{"id":"dev-1","snapshot":"h/p/x:1","metadata":{"a":"b"},"skipStart":true,"networkBlockAll":true,"networkAllowList":"10.0.0.0/8","domainAllowList":"example.org"}`
	if err := json.Unmarshal([]byte(body), &dto); err != nil {
		t.Fatal(err)
	}
	id, spec, err := dto.Spec()
	want := sandbox.Spec{Snapshot: "h/p/x:1", Metadata: map[string]string{"a": "b"}, SkipStart: true,
		Network: sandbox.Network{BlockAll: true, AllowList: "10.0.0.0/8", DomainAllowList: "example.org"}}
	if err != nil || id != "dev-1" || !reflect.DeepEqual(spec, want) {
		t.Errorf("got %s %+v, %v, want %+v", id, spec, err, want)
	}
}

func TestResizeLeavesWhatIsZero(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		want       sandbox.Resources
		wrong      string
	}{
		{"nothing", `{}`, sandbox.Resources{}, ""},
		{"zeros and nulls", `{"cpu":0,"memory":null,"disk":0,"gpu":0,"registry":null}`, sandbox.Resources{}, ""},
		{"one of them", `{"memory":4}`, sandbox.Resources{MemoryMB: 4096}, ""},
		{"all", `{"cpu":4,"memory":8,"disk":20}`, sandbox.Resources{CPUs: 4, MemoryMB: 8192, DiskGB: 20}, ""},
		{"a negative disk", `{"disk":-3}`, sandbox.Resources{}, "disk is -3: it must be at least 1 (GiB); leave it out for the default"},
		{"a GPU", `{"gpu":2}`, sandbox.Resources{}, "gpu is 2: Android devices have none: leave it out or send 0"},
	}
	for _, tt := range tests {
		var dto wire.ResizeSandboxDTO
		if err := json.Unmarshal([]byte(tt.body), &dto); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		got, err := dto.Resources()
		if tt.wrong != "" && (err == nil || err.Error() != tt.wrong) || tt.wrong == "" && (err != nil || got != tt.want) {
			t.Errorf("%s: got %+v, %v, want %+v %s", tt.name, got, err, tt.want, tt.wrong)
		}
	}
}

func TestNetworkChangesOnlyWhatIsSaid(t *testing.T) {
	t.Parallel()
	before := sandbox.Network{BlockAll: true, AllowList: "10.0.0.0/8", DomainAllowList: "a.example", LimitEgress: true}
	tests := []struct {
		name, body string
		want       sandbox.Network
	}{
		{"nothing", `{}`, before},
		{"nulls", `{"networkBlockAll":null,"networkAllowList":null,"domainAllowList":null,"networkLimitEgress":null}`, before},
		{"one switch", `{"networkBlockAll":false}`, sandbox.Network{AllowList: "10.0.0.0/8", DomainAllowList: "a.example", LimitEgress: true}},
		{"a list emptied", `{"networkAllowList":""}`, sandbox.Network{BlockAll: true, DomainAllowList: "a.example", LimitEgress: true}},
		{"all", `{"networkBlockAll":false,"networkAllowList":"::/0","domainAllowList":"","networkLimitEgress":false}`, sandbox.Network{AllowList: "::/0"}},
	}
	for _, tt := range tests {
		var dto wire.UpdateNetworkSettingsDTO
		if err := json.Unmarshal([]byte(tt.body), &dto); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if got := dto.Change().Apply(before); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestNamesOfAPull(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name               string
		dto                wire.PullSnapshotDTO
		source, ref, wrong string
	}{
		{"v0.190: under another name", wire.PullSnapshotDTO{Snapshot: "android-base:1.0", DestinationRef: "h/p/daytona-1:daytona", NewTag: "x"}, "android-base:1.0", "h/p/daytona-1:daytona", ""},
		{"with a new tag", wire.PullSnapshotDTO{Snapshot: "a:1", NewTag: "a:2"}, "a:1", "a:2", ""},
		{"February: under its own name", wire.PullSnapshotDTO{Snapshot: "a:1"}, "a:1", "a:1", ""},
		{"nothing", wire.PullSnapshotDTO{DestinationRef: "h/p/x:1"}, "", "", "snapshot is required"},
	}
	for _, tt := range tests {
		source, ref, err := tt.dto.Names()
		if source != tt.source || ref != tt.ref || (err == nil) != (tt.wrong == "") || err != nil && (err.Error() != tt.wrong || !fault.Is(err, fault.Invalid)) {
			t.Errorf("%s: got %q %q %v", tt.name, source, ref, err)
		}
	}
}

func TestTagsAreWanted(t *testing.T) {
	t.Parallel()
	for name, good := range map[string]bool{"a:1": true, "host:5000/a:1": true, "a": false, "a:": false, "": false} {
		build := wire.BuildSnapshotDTO{Snapshot: name}
		tag := wire.TagImageDTO{SourceImage: "s", TargetImage: name}
		for what, err := range map[string]error{"build": build.Check(), "tag": tag.Check()} {
			if (err == nil) != good || err != nil && !fault.Is(err, fault.Invalid) {
				t.Errorf("%s of %q: got %v, want good: %t", what, name, err, good)
			}
		}
	}
	none := wire.TagImageDTO{TargetImage: "a:1"}
	if err := none.Check(); !fault.Is(err, fault.Invalid) {
		t.Errorf("a tag of nothing: got %v", err)
	}
}

func TestRecoverable(t *testing.T) {
	t.Parallel()
	tests := []struct {
		reason         string
		full, recovers bool
	}{
		{"write /data: No Space Left On Device", true, true},
		{"storage limit reached", true, true},
		{"Disk quota exceeded", true, true},
		{"the device died: no process of it is left", false, true},
		{"found dead after a restart of the runner", false, true},
		{"device crashed", false, true},
		{"boot cvd-3: Android was not reached within 5m", false, true},
		{"image x does not exist", false, false},
		{"", false, false},
	}
	for _, tt := range tests {
		if full, recovers := wire.SaysDiskFull(tt.reason), wire.Recoverable(tt.reason); full != tt.full || recovers != tt.recovers {
			t.Errorf("%q: got full %t, recoverable %t, want %t, %t", tt.reason, full, recovers, tt.full, tt.recovers)
		}
	}
}

func TestRecoverableTextsAreAsDaytonaParsesThem(t *testing.T) {
	t.Parallel()
	if got, want := wire.RecoverableText("no \"space\" <left> & é\n"), `{"errorReason":"no \"space\" <left> & é\n","recoverable":true}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := wire.RecoverableMessage("disk quota exceeded"), `{"errorReason":"disk quota exceeded - you may attempt a recovery action","recoverable":true}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestHealthchecksNeverSpeakOfGPUs(t *testing.T) {
	t.Parallel()
	got := text(t, wire.HealthcheckDTO{AppVersion: "v1", ServiceHealth: []wire.ServiceHealthDTO{{ServiceName: "cvd", Healthy: true}}, Metrics: &wire.RunnerTotalsDTO{CPUs: 1, MemoryGiB: 1, DiskGiB: 1}})
	want := `{"appVersion":"v1","serviceHealth":[{"serviceName":"cvd","healthy":true}],"metrics":{"currentCpuLoadAverage":0,"currentCpuUsagePercentage":0,` +
		`"currentMemoryUsagePercentage":0,"currentDiskUsagePercentage":0,"currentAllocatedCpu":0,"currentAllocatedMemoryGiB":0,"currentAllocatedDiskGiB":0,` +
		`"currentSnapshotCount":0,"currentStartedSandboxes":0,"cpu":1,"memoryGiB":1,"diskGiB":1}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, v := range []any{wire.RunnerMetricsDTO{}, wire.RunnerTotalsDTO{}, wire.RunnerInfoDTO{}} {
		for _, name := range fields(v) {
			if strings.Contains(strings.ToLower(name), "gpu") {
				t.Errorf("%T has %s", v, name)
			}
		}
	}
}

func TestAnswersAreAsDaytonaWritesThem(t *testing.T) {
	t.Parallel()
	image := sandbox.Image{Name: "a", Hash: "abc", Bytes: 3 << 29}
	tests := []struct {
		value any
		want  string
	}{
		{wire.BegunDTO{}, `{"daemonVersion":""}`},
		{wire.BegunDTO{Recreated: true}, `{"daemonVersion":"","recreated":true}`},
		{wire.SnapshotInfo(image), `{"name":"a","sizeGB":1.5,"hash":"abc"}`},
		{wire.Inspected(image), `{"hash":"abc","sizeGB":1.5}`},
		{wire.JobStatusDTO{Status: "COMPLETED"}, `{"status":"COMPLETED"}`},
		{wire.SandboxStateDTO{State: "error", ErrorReason: "x", Recoverable: ptr(false)}, `{"state":"error","errorReason":"x","recoverable":false}`},
		{wire.RunnerInfoDTO{AppVersion: "v1"}, `{"appVersion":"v1","daytona":{"registered":false}}`},
	}
	for _, tt := range tests {
		if got := text(t, tt.value); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

func TestPayloads(t *testing.T) {
	t.Parallel()
	dto := wire.StopSandboxDTO{}
	if err := wire.UnmarshalPayload("", &dto); err == nil || err.Error() != "payload is required" {
		t.Errorf("none: got %v", err)
	}
	for payload, good := range map[string]bool{`{}`: true, `null`: true, ` {"force":null} `: true, `[]`: false, `{} x`: false, `{`: false, ` `: false} {
		if err := wire.UnmarshalPayload(payload, &dto); (err == nil) != good {
			t.Errorf("%q: got %v, want good: %t", payload, err, good)
		}
	}
}

func FuzzStartSandboxDTO(f *testing.F) {
	for _, seed := range []string{`{"authToken":"t","metadata":{"a":"b"}}`, `{"metadata":"x","a":"b"}`, `{"metadata":null,"a":"b"}`, `{"a":null}`, `null`, `{"metadata":{},"metadata":"x"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var first, second wire.StartSandboxDTO
		if json.Unmarshal(data, &first) != nil {
			return
		}
		if err := json.Unmarshal([]byte(`{"authToken":"t","metadata":`+text(t, first.Metadata)+`}`), &second); err != nil || !maps.Equal(first.Metadata, second.Metadata) {
			t.Errorf("%s: got %v and, wrapped, %v, %v", data, first.Metadata, second.Metadata, err)
		}
	})
}

func FuzzCreateSandboxDTO(f *testing.F) {
	f.Add([]byte(`{"id":"a","snapshot":"s","cpuQuota":1,"memoryQuota":1,"storageQuota":3,"registry":{"url":"u","password":null},"entrypoint":null,"volumes":[]}`))
	f.Add([]byte(`{"id":"a","snapshot":"s","memoryQuota":9223372036854775807,"metadata":{"a":null}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var dto wire.CreateSandboxDTO
		if json.Unmarshal(data, &dto) != nil {
			return
		}
		id, spec, err := dto.Spec()
		if err != nil {
			if !fault.Is(err, fault.Invalid) && !fault.Is(err, fault.Unsupported) {
				t.Errorf("%s: %v is %s", data, err, fault.KindOf(err))
			}
			return
		}
		if _, err := sandbox.ParseID(string(id)); err != nil || spec.Snapshot == "" || spec.Resources.CPUs < 0 || spec.Resources.MemoryMB < 0 || spec.Resources.DiskGB < 0 {
			t.Errorf("%s: got %q %+v, %v", data, id, spec, err)
		}
	})
}
