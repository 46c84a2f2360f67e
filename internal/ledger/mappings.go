package ledger

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/daytonaio/runner-android/internal/sandbox"
)

// table is the content of mappings.json.
type table struct {
	numbers map[sandbox.ID]sandbox.Instance
	unsure  []sandbox.ID               // sandboxes whose number cannot be used
	foreign map[string]json.RawMessage // members that are no mapping; they survive
}

func newTable() table {
	return table{numbers: map[sandbox.ID]sandbox.Instance{}, foreign: map[string]json.RawMessage{}}
}

// parseMappings reads the flat object. Members that are no lawful mapping are told as problems
// and kept as they are.
func parseMappings(data []byte) (table, []string, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return table{}, nil, err
	}
	if all == nil {
		return table{}, nil, fmt.Errorf("not a JSON object")
	}
	t := newTable()
	var problems []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		id, err := sandbox.ParseID(name)
		if err != nil {
			t.foreign[name] = all[name]
			problems = append(problems, fmt.Sprintf("member %.80q is not a sandbox: kept, not used", name))
			continue
		}
		var n sandbox.Instance
		if err := json.Unmarshal(all[name], &n); err != nil || !n.Valid() {
			t.foreign[name] = all[name]
			t.unsure = append(t.unsure, id)
			problems = append(problems, fmt.Sprintf("sandbox %s: %.40s is not an instance number from 1 to %d",
				id, all[name], sandbox.MaxInstance))
			continue
		}
		t.numbers[id] = n
	}
	return t, problems, nil
}

// settle takes a number that several sandboxes hold from all but one: the one whose record
// says the same number, else the first by name. The losers keep their place without a number.
func (t *table) settle(recorded map[sandbox.ID]sandbox.Instance) (problems []string) {
	holders := map[sandbox.Instance][]sandbox.ID{}
	for id, n := range t.numbers {
		holders[n] = append(holders[n], id)
	}
	for _, n := range slices.Sorted(maps.Keys(holders)) {
		ids := holders[n]
		if len(ids) == 1 {
			continue
		}
		slices.SortFunc(ids, func(a, b sandbox.ID) int {
			return cmp.Or(rank(recorded[a] == n)-rank(recorded[b] == n), cmp.Compare(a, b))
		})
		for _, loser := range ids[1:] {
			delete(t.numbers, loser)
			t.unsure = append(t.unsure, loser)
			problems = append(problems, fmt.Sprintf("instance number %d is held by %s and by %s: left to %s",
				int(n), ids[0], loser, ids[0]))
		}
	}
	return problems
}

func rank(first bool) int {
	if first {
		return 0
	}
	return 1
}

// render is the content of mappings.json for numbers beside what is not ours.
func render(numbers map[sandbox.ID]sandbox.Instance, foreign map[string]json.RawMessage) ([]byte, error) {
	all := make(map[string]any, len(numbers)+len(foreign))
	for name, value := range foreign {
		all[name] = value
	}
	holder := map[sandbox.Instance]sandbox.ID{}
	for id, n := range numbers {
		if _, err := sandbox.ParseID(string(id)); err != nil {
			return nil, err
		}
		if !n.Valid() {
			return nil, fmt.Errorf("sandbox %s: instance number %d is not in 1 to %d", id, int(n), sandbox.MaxInstance)
		}
		if other, taken := holder[n]; taken {
			return nil, fmt.Errorf("instance number %d is given to %s and to %s", int(n), other, id)
		}
		holder[n] = id
		all[string(id)] = int(n)
	}
	return json.MarshalIndent(all, "", "  ")
}
