package instancedb_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/instancedb"
)

func sample() instancedb.Data {
	return instancedb.Data{Groups: []instancedb.Group{{
		Name: "s_1", Home: "/g/1/home", HostPath: "/h", ProductPath: "/p", StartTime: time.Unix(1770000000, 0),
		Instances: []instancedb.Instance{{ID: 3, Name: "3", State: instancedb.Running, DeviceID: "dev"}},
	}, {Name: "s_2", Home: "/g/2/home"}}}
}

func TestTheProtobufFormKeepsEverything(t *testing.T) {
	t.Parallel()
	if got := instancedb.Unmarshal(instancedb.Marshal(sample())); !reflect.DeepEqual(got, sample()) {
		t.Errorf("got  %+v\nwant %+v", got, sample())
	}
}

func TestACutDatabaseReadsAsWhatStillParses(t *testing.T) {
	t.Parallel()
	whole := instancedb.Marshal(sample())
	got := instancedb.Unmarshal(whole[:len(whole)-3])
	if len(got.Groups) != 1 || got.Groups[0].Name != "s_1" {
		t.Errorf("got %+v, want the first group", got)
	}
}

func TestEveryStateHasItsOwnWord(t *testing.T) {
	t.Parallel()
	seen := map[string]instancedb.State{}
	for _, s := range instancedb.States() {
		if other, ok := seen[s.String()]; ok {
			t.Errorf("states %d and %d are both %q", s, other, s)
		}
		seen[s.String()] = s
	}
}

func TestUpdatesOfManyWritersAreAllKept(t *testing.T) {
	t.Parallel()
	db := instancedb.Open(filepath.Join(t.TempDir(), "0", "instance_database.binpb"))
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			err := db.Update(func(d *instancedb.Data) error {
				d.Groups = append(d.Groups, instancedb.Group{Name: fmt.Sprintf("g_%d", i)})
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	data, err := db.Read()
	if err != nil || len(data.Groups) != 20 {
		t.Fatalf("got %d groups, %v; want 20", len(data.Groups), err)
	}
	boom := errors.New("boom")
	err = db.Update(func(d *instancedb.Data) error { d.Groups = nil; return boom })
	if after, _ := db.Read(); !errors.Is(err, boom) || len(after.Groups) != 20 {
		t.Errorf("a refused update changed the file: %d groups, %v", len(after.Groups), err)
	}
}

func TestNumbersAreTakenFromTheLowestThatIsFreeAndNotMarked(t *testing.T) {
	t.Parallel()
	locks := instancedb.OpenLocks(t.TempDir())
	first, err := locks.TakeFree(4)
	if err != nil {
		t.Fatal(err)
	}
	second, err := locks.TakeFree(4) // the first is held
	if err != nil {
		t.Fatal(err)
	}
	if err := first.MarkInUse(); err != nil {
		t.Fatal(err)
	}
	first.Close()
	second.Close()
	third, err := locks.TakeFree(4) // 1 is marked, 2 was given back
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	if first.Number != 1 || second.Number != 2 || third.Number != 2 {
		t.Errorf("got numbers %d %d %d, want 1 2 2", first.Number, second.Number, third.Number)
	}
	asked, err := locks.Take(1) // the byte does not matter for a number that was asked for
	if err != nil {
		t.Fatal(err)
	}
	defer asked.Close()
	if !locks.InUse(1) || locks.InUse(2) {
		t.Error("want only number 1 marked")
	}
	if _, err := locks.TakeFree(2); err == nil {
		t.Error("want an error when no number is free")
	}
}

func FuzzUnmarshal(f *testing.F) {
	f.Add(instancedb.Marshal(sample()))
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		once := instancedb.Unmarshal(b)
		twice := instancedb.Unmarshal(instancedb.Marshal(once))
		if len(once.Groups) != len(twice.Groups) {
			t.Errorf("groups: %d, after a round trip %d", len(once.Groups), len(twice.Groups))
		}
	})
}
