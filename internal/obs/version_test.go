package obs

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestBuildOf(t *testing.T) {
	t.Parallel()
	recorded := func(main string, settings ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: main}, Settings: settings}
	}
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef0123"}
	changed := debug.BuildSetting{Key: "vcs.modified", Value: "true"}
	tests := []struct {
		name            string
		version, commit string
		info            *debug.BuildInfo
		want            Build
	}{
		{"stamped by the Makefile", "v1.2.0", "abc", recorded("(devel)", revision), Build{Version: "v1.2.0", Commit: "abc"}},
		{"recorded by the Go tool", "", "", recorded("v1.1.0", revision), Build{Version: "v1.1.0", Commit: "0123456789ab"}},
		{"recorded from a changed tree", "", "", recorded("(devel)", revision, changed), Build{Version: "dev", Commit: "0123456789ab-dirty"}},
		{"known to nobody", "", "", recorded(""), Build{Version: "dev", Commit: "unknown"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.want.Go = runtime.Version()
			if got := buildOf(tt.version, tt.commit, tt.info); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
