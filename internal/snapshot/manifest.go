package snapshot

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/internal/jsonkeep"
	"github.com/daytonaio/runner-android/internal/qcow2"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

const (
	// FormatVersion is what this package writes. A greater one is refused: its meaning is not known.
	FormatVersion = 1
	// ManifestName is the manifest's name in its directory.
	ManifestName = "manifest.json"
	// DataDir is the directory of the saved files.
	DataDir = "instance_data"

	// ChunkSize is the size of the ranges of a file that have a digest of their own, in bytes.
	ChunkSize = 8 << 20

	maxManifest = 16 << 20
	maxFile     = 1 << 45 // bytes
)

// Consistency is what state the disk of a snapshot is in.
type Consistency string

// The states. A disk from a power cut is one that Android repairs as it boots.
const (
	Stopped Consistency = "stopped" // the device was off
	Paused  Consistency = "paused"  // its processors stood still, after a sync
	Crash   Consistency = "crash"   // it ran, after a sync: as after a power cut
)

// Manifest describes a snapshot. The first five fields are the specification's.
type Manifest struct {
	Name      string    `json:"name"`
	Org       string    `json:"orgId"`
	BaseImage string    `json:"baseImage"`
	CreatedAt time.Time `json:"createdAt"`
	Size      int64     `json:"size"` // of the saved files, in bytes

	Format      int           `json:"formatVersion"` // 0: somebody else wrote it, and nothing below is known
	Source      string        `json:"sourceSandbox"`
	Consistency Consistency   `json:"consistency"`
	PausedFor   int64         `json:"pausedMilliseconds"`
	Memory      string        `json:"memory"`   // what became of the device's memory, for people
	Sentinel    string        `json:"sentinel"` // text of [SentinelPath] in the guest; empty: none was written
	Resources   Resources     `json:"resources"`
	Flags       []string      `json:"launchFlags"`
	Versions    Versions      `json:"versions"`
	Disk        *qcow2.Header `json:"qcow2"`
	Files       []File        `json:"files"`  // by name, relative to the directory
	Images      []File        `json:"images"` // by name; without chunks

	rest jsonkeep.Rest
}

// notSaved is why a snapshot is of the disks alone. cvd brings memory back into the group and under the number that it was
// saved from, and nowhere else (android-cuttlefish: the paths and the number are the saved configuration's; #3053 checks
// the number).
const notSaved = "not saved: cvd brings a memory snapshot back only into the same group, under the same number; a sandbox that is made from this boots"

// SentinelPath is a file of the guest that tells whether its data came back.
const SentinelPath = "/data/local/tmp/.runner-android-snapshot"

// Resources are what the device had.
type Resources struct {
	CPUs     int `json:"cpus"`
	MemoryMB int `json:"memoryMb"`
	DiskGB   int `json:"diskGb"`
}

// Versions are of the tools that made the disk; empty where not known.
type Versions struct {
	CVD         string `json:"cvd"`
	HostPackage string `json:"hostPackage"` // "sha256:" and the digest of its launcher
	Crosvm      string `json:"crosvm"`
}

// File is one file of a snapshot.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // hex; empty where not known
	// Encoding is how the file is written in the bucket: as it is, or [Zstd], and then with ".zst" behind its name.
	// On disk it always is what Name, Size and SHA256 say.
	Encoding string `json:"encoding,omitempty"`
	// Chunks are the digests of each [ChunkSize] bytes; the empty string is a chunk of zeros.
	Chunks []string `json:"chunks,omitempty"`
}

// Zstd is the encoding of RFC 8878.
const Zstd = "zstd"

// object is the name of the file in the bucket.
func (f File) object() string {
	if f.Encoding == Zstd {
		return f.Name + ".zst"
	}
	return f.Name
}

// Held is how many bytes of the file are not known to be zeros.
func (f File) Held() (n int64) {
	if len(f.Chunks) == 0 {
		return f.Size
	}
	for i, c := range f.Chunks {
		if c != "" {
			n += min(ChunkSize, f.Size-int64(i)*ChunkSize)
		}
	}
	return n
}

// Identify says what image a manifest stands for: the same on every host, for it holds the digests of all that the
// snapshot is made of, and no other snapshot has it. The name is left to the caller.
func Identify(raw []byte) (sandbox.Image, error) {
	m, err := Parse(raw)
	if err != nil {
		return sandbox.Image{}, err
	}
	return m.image(raw), nil
}

// image is what Identify says of a manifest that was read already.
func (m Manifest) image(raw []byte) sandbox.Image {
	sum := sha256.Sum256(raw)
	image := sandbox.Image{
		Hash: hex.EncodeToString(sum[:]), Unverified: !m.Verified(),
		Consistency: string(m.Consistency), PausedFor: time.Duration(m.PausedFor) * time.Millisecond,
	}
	for _, f := range slices.Concat(m.Files, m.Images) {
		image.Bytes += f.Held()
	}
	if image.Unverified {
		image.Bytes += m.Size
	}
	return image
}

// Verified reports whether the content of the snapshot can be checked against its manifest.
func (m Manifest) Verified() bool { return m.Format > 0 }

type plainManifest Manifest

// MarshalJSON writes the fields and what else was in the file.
func (m Manifest) MarshalJSON() ([]byte, error) { return jsonkeep.Join(plainManifest(m), m.rest) }

// UnmarshalJSON reads the fields and keeps what else is in the object.
func (m *Manifest) UnmarshalJSON(data []byte) (err error) {
	*m = Manifest{}
	if m.rest, err = jsonkeep.Split(data, (*plainManifest)(m), plainManifest{}); err == nil && m.Format == 0 {
		m.readAliases()
	}
	return err
}

// readAliases takes what another program wrote under other names: the specification tells what is in a manifest, and not
// how it is spelled. What cannot be read so is left, for nothing depends on it.
func (m *Manifest) readAliases() {
	for field, names := range map[any][]string{
		&m.Org:       {"org", "org_id", "organizationId", "organization_id", "organization"},
		&m.BaseImage: {"base_image", "base"},
		&m.CreatedAt: {"created_at", "created", "creationTime", "creation_time", "timestamp"},
		&m.Size:      {"sizeBytes", "size_bytes", "totalSize", "total_size"},
	} {
		for _, name := range names {
			if text, there := m.rest[name]; there {
				_ = json.Unmarshal(text, field)
			}
		}
	}
}

// Parse reads a manifest and checks all of it. Invalid, saying what is wrong.
func Parse(data []byte) (Manifest, error) {
	if len(data) > maxManifest {
		return Manifest{}, fault.New(fault.TooLarge, "a manifest of %d bytes", len(data))
	}
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return Manifest{}, fault.Wrap(fault.Invalid, "read a manifest", err)
	}
	if err := m.check(); err != nil {
		return Manifest{}, fault.Wrap(fault.Invalid, "check a manifest", err)
	}
	return m, nil
}

var (
	component = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$`)
	digest    = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// errNewer is that a manifest is of a later version of this program: it is not damaged.
var errNewer = errors.New("use a newer one")

func (m Manifest) check() error {
	if m.Format > FormatVersion {
		return fmt.Errorf("it has format version %d, and this runner knows none above %d: %w", m.Format, FormatVersion, errNewer)
	}
	if m.Format < 0 || m.Size < 0 || m.PausedFor < 0 {
		return fmt.Errorf("a number is negative")
	}
	if len(m.Sentinel) > 256 || strings.ContainsAny(m.Sentinel, "\n'") {
		return fmt.Errorf("sentinel %.40q", m.Sentinel)
	}
	if m.Format > 0 && m.Disk == nil {
		return fmt.Errorf("it does not say what the disk is like")
	}
	for _, f := range m.Files {
		if name, inside := strings.CutPrefix(f.Name, DataDir+"/"); !inside || !isSaved(name) {
			return fmt.Errorf("file %.80q is none that a snapshot has", f.Name)
		}
		if err := f.check(m.Format > 0); err != nil {
			return err
		}
	}
	for _, f := range m.Images {
		if !imageName(f.Name) {
			return fmt.Errorf("image %.80q is no name of a file", f.Name)
		}
		if err := f.check(false); err != nil {
			return err
		}
	}
	return unique(slices.Concat(m.Files, m.Images))
}

// imageName reports whether a manifest may list a base image under the name.
func imageName(name string) bool {
	return component.MatchString(name) && name != ManifestName && name != DataDir
}

func (f File) check(digested bool) error {
	if f.Size < 0 || f.Size > maxFile {
		return fmt.Errorf("file %s: a size of %d bytes", f.Name, f.Size)
	}
	if f.Encoding != "" && f.Encoding != Zstd {
		return fmt.Errorf("file %s: encoding %.20q is not known", f.Name, f.Encoding)
	}
	if f.SHA256 == "" && len(f.Chunks) == 0 && !digested {
		return nil
	}
	if !digest.MatchString(f.SHA256) {
		return fmt.Errorf("file %s: digest %.70q", f.Name, f.SHA256)
	}
	if n := int64(len(f.Chunks)); n != 0 && n != chunksOf(f.Size) {
		return fmt.Errorf("file %s: %d chunks for %d bytes", f.Name, n, f.Size)
	}
	for _, c := range f.Chunks {
		if c != "" && !digest.MatchString(c) {
			return fmt.Errorf("file %s: digest of a chunk %.70q", f.Name, c)
		}
	}
	return nil
}

func chunksOf(size int64) int64 { return (size + ChunkSize - 1) / ChunkSize }

func unique(files []File) error {
	seen := map[string]bool{}
	for _, f := range files {
		if seen[f.Name] {
			return fmt.Errorf("file %s is there twice", f.Name)
		}
		seen[f.Name] = true
	}
	return nil
}

// file finds a saved file by its name in the instance's directory.
func (m Manifest) file(name string) (File, bool) {
	at := slices.IndexFunc(m.Files, func(f File) bool { return f.Name == path.Join(DataDir, name) })
	if at < 0 {
		return File{}, false
	}
	return m.Files[at], true
}

// saved is one file of an instance's directory that a snapshot has.
type saved struct {
	name  string
	back  bool   // a graft puts it back
	other string // what newer packages call it; empty: the same
}

// savedFiles: the specification's seven, of which assembly makes metadata, misc and the environment of the boot loader
// itself and wipes the disk where their times are new, so that they are saved and not put back; and what else the guest
// cannot do without: the secrets that /data is encrypted with are on the host where host keymint is used
// (cuttlefish-cvd facts, "Files": read in assemble_cvd and secure_env).
func savedFiles() []saved {
	return []saved{
		{name: overlayName, back: true},
		{name: "sdcard.img", back: true},
		{name: "metadata.img", other: "metadata"},
		{name: "pflash.img", back: true},
		{name: "uboot_env.img"},
		{name: "misc.img", other: "misc"},
		{name: "ap_overlay.img"},
		{name: "internal/factory_reset_protected.img", back: true},
		{name: "NVChip", back: true},
		{name: "gatekeeper_secure", back: true},
		{name: "gatekeeper_insecure", back: true},
		{name: "keymint_secure_deletion_data", back: true},
		{name: "oemlock_secure", back: true},
		{name: "oemlock_insecure", back: true},
		{name: "internal/weaver_storage.json", back: true},
	}
}

const overlayName = "overlay.img"

func isSaved(name string) bool {
	return slices.ContainsFunc(savedFiles(), func(s saved) bool { return s.name == name })
}
