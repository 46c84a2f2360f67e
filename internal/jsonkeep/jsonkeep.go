// Package jsonkeep reads and writes JSON objects of which this program does not know every member: what another version
// wrote is kept when the object is written again.
//
//	type plain Record // without the methods
//	func (r Record) MarshalJSON() ([]byte, error) { return jsonkeep.Join(plain(r), r.rest) }
//	func (r *Record) UnmarshalJSON(data []byte) (err error) {
//		*r = Record{}
//		r.rest, err = jsonkeep.Split(data, (*plain)(r), plain{})
//		return err
//	}
package jsonkeep

import (
	"encoding/json"
	"maps"
)

// Rest is the members that have no field.
type Rest map[string]json.RawMessage

// Split decodes data into known, a pointer, and returns the members that zero, a value of the same type, has no name for.
func Split(data []byte, known, zero any) (Rest, error) {
	if err := json.Unmarshal(data, known); err != nil {
		return nil, err
	}
	names, err := members(zero)
	if err != nil {
		return nil, err
	}
	var all Rest
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, err
	}
	maps.DeleteFunc(all, func(name string, _ json.RawMessage) bool { _, ours := names[name]; return ours })
	return all, nil
}

// Join encodes known together with the rest; a member of the rest that known has a name for is dropped.
func Join(known any, rest Rest) ([]byte, error) {
	all, err := members(known)
	if err != nil {
		return nil, err
	}
	for name, value := range rest {
		if _, ours := all[name]; !ours {
			all[name] = value
		}
	}
	return json.Marshal(all)
}

func members(v any) (Rest, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var all Rest
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, err
	}
	return all, nil
}
