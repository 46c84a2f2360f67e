package ledger

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/daytonaio/runner-android/internal/host"
	"github.com/daytonaio/runner-android/internal/jsonkeep"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// FormatVersion is the version of [Record] that this package writes. Fields are only ever
// added; the version rises when one changes its meaning.
const FormatVersion = 1

// Record is what one sandbox is. Fields that a newer or older runner wrote travel along
// unseen, so a record that was loaded, changed and saved keeps them.
type Record struct {
	Version   int               `json:"version"` // 0: nothing of ours was on disk
	ID        sandbox.ID        `json:"sandbox_id"`
	Group     string            `json:"group"`        // cvd's name for it; empty before the first launch
	Instance  sandbox.Instance  `json:"instance_num"` // 0 while it holds no number
	Snapshot  string            `json:"snapshot"`     // as it was asked for
	Flags     []string          `json:"flags"`        // of the launch, repeated at every start
	Paths     Paths             `json:"paths"`
	Intent    sandbox.Intent    `json:"intent"`
	Begun     time.Time         `json:"intent_since"` // when the intent was accepted
	Created   bool              `json:"created"`      // Android has booted at least once
	Launcher  host.ProcessID    `json:"launcher"`     // the cvd that launches it, as last started
	Resources Quotas            `json:"resources"`
	Next      Quotas            `json:"next_resources"` // of the next start; zero: the same
	Network   Network           `json:"network"`
	Metadata  map[string]string `json:"metadata"`
	Failure   string            `json:"failure"`    // why the last create failed, for people
	HostBoot  string            `json:"host_boot"`  // the boot of the host in which it was last seen running; empty: not known
	Restore   string            `json:"restore"`    // snapshot whose data are still to be put into it; empty: none
	RestoreOf string            `json:"restore_of"` // SHA-256 of that snapshot's manifest; empty: not known
	Paused    bool              `json:"paused"`     // it stands still for a snapshot
	Halted    bool              `json:"halted"`     // it was stopped for a snapshot, and is to be started again
	Disk      Disk              `json:"disk"`       // as it was before the start under way; zero when none is
	CreatedAt time.Time         `json:"created_at"`
	UpdatedAt time.Time         `json:"updated_at"` // stamped by SaveRecord

	unknown jsonkeep.Rest
}

// Paths is where the device lives on the host; empty where not known yet.
type Paths struct {
	GroupHome   string          `json:"group_home"`
	InstanceDir string          `json:"instance_dir"`
	HostPath    string          `json:"host_path"`
	ProductPath string          `json:"product_path"`
	Base        json.RawMessage `json:"base_image"` // the record of internal/image; not looked into here

	unknown jsonkeep.Rest
}

// Disk tells one state of a device's disk from another.
type Disk struct {
	Inode uint64 `json:"inode"`
	Size  int64  `json:"size"`
}

// Quotas are the resources promised, in the words of the file; they convert to and from
// sandbox.Resources.
type Quotas struct {
	CPUs     int `json:"cpus"`
	MemoryMB int `json:"memory_mb"`
	DiskGB   int `json:"disk_gb"`
}

// Network is what the sandbox's network may be used for, in the words of the file; it converts to
// and from sandbox.Network.
type Network struct {
	BlockAll        bool   `json:"block_all"`
	AllowList       string `json:"allow_list"`
	DomainAllowList string `json:"domain_allow_list"`
	LimitEgress     bool   `json:"limit_egress"`
}

// The plain types have the fields and not the methods.
type (
	plainRecord Record
	plainPaths  Paths
)

// MarshalJSON writes the fields and what else was in the file.
func (r Record) MarshalJSON() ([]byte, error) { return jsonkeep.Join(plainRecord(r), r.unknown) }

// UnmarshalJSON reads the fields and keeps what else is in the object.
func (r *Record) UnmarshalJSON(data []byte) (err error) {
	*r = Record{}
	r.unknown, err = jsonkeep.Split(data, (*plainRecord)(r), plainRecord{})
	return err
}

// MarshalJSON writes the fields and what else was in the file.
func (p Paths) MarshalJSON() ([]byte, error) { return jsonkeep.Join(plainPaths(p), p.unknown) }

// UnmarshalJSON reads the fields and keeps what else is in the object.
func (p *Paths) UnmarshalJSON(data []byte) (err error) {
	*p = Paths{}
	p.unknown, err = jsonkeep.Split(data, (*plainPaths)(p), plainPaths{})
	return err
}

// parseRecord reads the content of id's instance.json. A file without a version is an older
// installation's: its fields may mean anything, so all of them are kept and none is believed.
func parseRecord(data []byte, id sandbox.ID) (Record, error) {
	var head struct {
		Version *int `json:"version"`
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return Record{}, err
	}
	if all == nil {
		return Record{}, fmt.Errorf("not a JSON object")
	}
	if err := json.Unmarshal(data, &head); err != nil || head.Version == nil || *head.Version < 1 {
		return Record{ID: id, unknown: all}, nil
	}
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		return Record{}, err
	}
	return r, check(r, id)
}

func check(r Record, id sandbox.ID) error {
	if r.ID != id {
		return fmt.Errorf("it names sandbox %q, its directory %q", r.ID, id)
	}
	if r.Instance != 0 && !r.Instance.Valid() {
		return fmt.Errorf("instance number %d is not in 1 to %d", int(r.Instance), sandbox.MaxInstance)
	}
	switch r.Intent {
	case "", sandbox.IntentStarted, sandbox.IntentStopped, sandbox.IntentDestroyed:
		return nil
	}
	return fmt.Errorf("intent %q is not known", r.Intent)
}
