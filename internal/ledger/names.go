package ledger

import (
	"path/filepath"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/sandbox"
)

// Every name on disk. No other package spells them.
const (
	mappingsName = "mappings.json"
	recordName   = "instance.json"
	logsName     = "logs"
	lockName     = "runner.lock"
	outcomesName = ".outcomes" // no sandbox id begins with a dot
	reportsName  = ".reports"
	noteEnd      = ".json"
	badMark      = ".bad-"  // <name>.bad-<time>: moved aside because it could not be read
	goneMark     = ".gone-" // .gone-<sandbox id>: a record half removed
)

const (
	dirPerm  = 0o755 // cvd runs as another user and passes through to its logs
	filePerm = 0o600 // records hold users' metadata
)

func (l *Ledger) mappingsPath() string { return filepath.Join(l.dir, mappingsName) }

func (l *Ledger) recordDir(id sandbox.ID) string { return filepath.Join(l.dir, string(id)) }

func (l *Ledger) recordPath(id sandbox.ID) string { return filepath.Join(l.recordDir(id), recordName) }

func (l *Ledger) goneDir(id sandbox.ID) string { return filepath.Join(l.dir, goneMark+string(id)) }

// LogsDir is where the logs of a sandbox's launches go. [Ledger.SaveRecord] makes it.
func (l *Ledger) LogsDir(id sandbox.ID) string { return filepath.Join(l.recordDir(id), logsName) }

func (l *Ledger) outcomesDir() string { return filepath.Join(l.dir, outcomesName) }

func (l *Ledger) reportsDir() string { return filepath.Join(l.dir, reportsName) }

func (l *Ledger) reportPath(id sandbox.ID) string {
	return filepath.Join(l.reportsDir(), string(id)+noteEnd)
}

func badPath(path string, now time.Time) string {
	return path + badMark + now.UTC().Format("20060102T150405.000000000Z")
}

// leftover reports whether name is the temporary file of a write to base that a kill cut
// short (see host.Files.WriteFile).
func leftover(name, base string) bool {
	digits, ok := strings.CutPrefix(name, "."+base)
	return ok && digits != "" && strings.Trim(digits, "0123456789") == ""
}
