package obs

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Set by the linker (-X, see the Makefile) and by nothing else.
var version, commit string

// unknown stands for what neither the linker nor the Go tool recorded.
const unknown = "unknown"

// shortCommit is how much of a commit's hash is shown.
const shortCommit = 12

// Build says which program this is. No field is empty.
type Build struct {
	Version string // "v1.2.0", or "dev" for a build that nobody stamped
	Commit  string // at most 12 hex digits, with "-dirty" for a changed tree; or "unknown"
	Go      string // "go1.26.8"
}

// String returns the line that the verb "version" prints.
func (b Build) String() string {
	return fmt.Sprintf("runner-android %s (commit %s, %s)", b.Version, b.Commit, b.Go)
}

// ThisBuild returns what the Makefile stamped, else what the Go tool recorded by itself.
func ThisBuild() Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return buildOf(version, commit, info)
}

func buildOf(version, commit string, info *debug.BuildInfo) Build {
	if version == "" && info.Main.Version != "(devel)" {
		version = info.Main.Version
	}
	if version == "" {
		version = "dev"
	}
	if commit == "" {
		commit = recordedCommit(info)
	}
	return Build{Version: version, Commit: commit, Go: runtime.Version()}
}

func recordedCommit(info *debug.BuildInfo) string {
	settings := make(map[string]string, len(info.Settings))
	for _, setting := range info.Settings {
		settings[setting.Key] = setting.Value
	}
	revision := settings["vcs.revision"]
	if revision == "" {
		return unknown
	}
	revision = revision[:min(len(revision), shortCommit)]
	if settings["vcs.modified"] == "true" {
		revision += "-dirty"
	}
	return revision
}
