package device

import (
	"maps"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/cvd"
	"github.com/daytonaio/runner-android/internal/ledger"
	"github.com/daytonaio/runner-android/internal/sandbox"
)

// Ensure only whole groups of ours are offered for removal, none by another name, and none while the ledger is not whole.
func TestWhichGroupsMayBeOrphans(t *testing.T) {
	t.Parallel()
	group := func(name string, instances ...cvd.Instance) cvd.Group {
		return cvd.Group{Name: name, Instances: instances}
	}
	at := func(dir string) cvd.Instance { return cvd.Instance{Status: cvd.StatusStopped, InstanceDir: dir} }
	const home = "/var/tmp/cvd/1000/17/home"
	whole := at(home + "/cuttlefish/instances/cvd-3")
	d := &Devices{inventory: newInventory(), records: map[sandbox.ID]ledger.Record{}}
	asked := time.Now()
	d.inventory.learn(cvd.Fleet{Groups: []cvd.Group{
		group(sandbox.ID("lost").Group(), whole),
		group(sandbox.ID("two").Group(), whole, whole),
		group(sandbox.ID("twice").Group(), whole), group(sandbox.ID("twice").Group(), whole),
		group(sandbox.ID("vague").Group(), at("")), group(sandbox.ID("empty").Group()),
		group("cvd_1", whole), group("s_mine", whole), group("s_2e2e", whole),
	}}, asked)
	groups, when := d.Groups()
	if want := map[sandbox.ID]sandbox.Instance{"lost": 3}; !maps.Equal(groups, want) || !when.Equal(asked) {
		t.Errorf("%v at %s; want %v", groups, when, want)
	}
	if d.TakeOver("vague", sandbox.IntentDestroyed) || d.TakeOver("two", sandbox.IntentDestroyed) || d.TakeOver("unheard", sandbox.IntentDestroyed) || len(d.records) != 0 {
		t.Errorf("condemned: %v", d.records)
	}
	if !d.TakeOver("lost", sandbox.IntentDestroyed) {
		t.Error("not condemned")
	}
	if rec := d.records["lost"]; rec.Intent != sandbox.IntentDestroyed || rec.Instance != 3 || rec.Group != "s_6c6f7374" || rec.Paths.GroupHome != home {
		t.Errorf("on record: %+v", rec)
	}
	d.lost = true
	if groups, _ := d.Groups(); len(groups) != 0 {
		t.Errorf("with a ledger that lost records: %v", groups)
	}
}
