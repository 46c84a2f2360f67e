package assemble

import (
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// DataPolicy says what userdata.img is (--data_policy).
type DataPolicy string

// The policies. UseExisting takes the product directory's userdata.img when it is not empty, else a
// blank one; AlwaysCreate makes a blank one at each start.
const (
	UseExisting  DataPolicy = "use_existing"
	AlwaysCreate DataPolicy = "always_create"
)

// Config is one start of one instance.
type Config struct {
	Instance int
	Home     string   // of the group; A and I are below it
	Product  string   // directory with the images
	Dirs     []string // sockets: emptied like A and I

	Version   simroot.Version // of assemble_cvd
	Policy    DataPolicy
	BlankMB   int    // --blank_data_image_mb
	SDCardMB  int    // --blank_sdcard_image_mb
	NoResume  bool   // --noresume: throw the overlay away
	ForceWipe bool   // behave as if the base images had changed
	Snapshot  string // of the group's memory, to be restored; empty: none

	// CompositeBacking gives overlays the format extension that crosvm writes since 2026-08-06.
	CompositeBacking bool

	// Clock stamps the files that are written. Nil leaves that to the kernel.
	Clock func() time.Time
	Log   io.Writer // assemble_cvd.log and console
	// Holders returns the pids of other processes that have files below the directories open.
	Holders func(dirs ...string) []int
}

// Result is what became of the disks.
type Result struct {
	Wiped       bool // everything was deleted because the base images seemed to have changed
	OverlayKept bool
}

// AssemblyDir is A.
func (c Config) AssemblyDir() string { return filepath.Join(c.Home, "cuttlefish", "assembly") }

// InstanceDir is I.
func (c Config) InstanceDir() string { return InstanceDir(c.Home, c.Instance) }

// InstanceDir is I of instance n in a group's home.
func InstanceDir(home string, n int) string {
	return filepath.Join(home, "cuttlefish", "instances", fmt.Sprintf("cvd-%d", n))
}

func (c Config) in(parts ...string) string {
	return filepath.Join(append([]string{c.InstanceDir()}, parts...)...)
}

func (c Config) composite() string { return c.in("os_composite.img") }
func (c Config) overlay() string   { return c.in("overlay.img") }

// metadata and misc lost their suffix in 1.38 (AC 44346c6), but not in the preserve set.
func (c Config) metadata() string { return c.in("metadata" + c.suffix()) }
func (c Config) misc() string     { return c.in("misc" + c.suffix()) }

func (c Config) suffix() string {
	if c.Version.AtLeast(1, 38) {
		return ""
	}
	return ".img"
}

func (c Config) logf(format string, args ...any) {
	fmt.Fprintf(c.Log, "assemble_cvd I "+format+"\n", args...)
}
