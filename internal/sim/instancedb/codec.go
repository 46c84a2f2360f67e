package instancedb

import (
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of cvd_persistent_data.proto.
const (
	fieldGroups protowire.Number = 1

	fieldGroupName      protowire.Number = 1
	fieldGroupHome      protowire.Number = 2
	fieldGroupHost      protowire.Number = 3
	fieldGroupProduct   protowire.Number = 4
	fieldGroupStart     protowire.Number = 5
	fieldGroupInstances protowire.Number = 6

	fieldInstanceID     protowire.Number = 1
	fieldInstanceName   protowire.Number = 2
	fieldInstanceState  protowire.Number = 3
	fieldInstanceDevice protowire.Number = 5
)

// Marshal returns the protobuf form of d.
func Marshal(d Data) []byte {
	var out []byte
	for _, g := range d.Groups {
		out = appendBytes(out, fieldGroups, marshalGroup(g))
	}
	return out
}

func marshalGroup(g Group) []byte {
	var b []byte
	b = appendString(b, fieldGroupName, g.Name)
	b = appendString(b, fieldGroupHome, g.Home)
	b = appendString(b, fieldGroupHost, g.HostPath)
	b = appendString(b, fieldGroupProduct, g.ProductPath)
	if !g.StartTime.IsZero() {
		b = appendVarint(b, fieldGroupStart, uint64(g.StartTime.Unix()))
	}
	for _, i := range g.Instances {
		b = appendBytes(b, fieldGroupInstances, marshalInstance(i))
	}
	return b
}

func marshalInstance(i Instance) []byte {
	var b []byte
	b = appendVarint(b, fieldInstanceID, uint64(i.ID))
	b = appendString(b, fieldInstanceName, i.Name)
	b = appendVarint(b, fieldInstanceState, uint64(i.State))
	return appendString(b, fieldInstanceDevice, i.DeviceID)
}

func appendBytes(b []byte, n protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), v)
}

// appendString leaves an empty value out, as proto3 does.
func appendString(b []byte, n protowire.Number, v string) []byte {
	if v == "" {
		return b
	}
	return appendBytes(b, n, []byte(v))
}

func appendVarint(b []byte, n protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), v)
}

// Unmarshal returns what can be read of the protobuf form.
func Unmarshal(b []byte) Data {
	var d Data
	eachField(b, func(n protowire.Number, _ uint64, v []byte) {
		if n == fieldGroups {
			d.Groups = append(d.Groups, unmarshalGroup(v))
		}
	})
	return d
}

func unmarshalGroup(b []byte) Group {
	var g Group
	eachField(b, func(n protowire.Number, num uint64, v []byte) {
		switch n {
		case fieldGroupName:
			g.Name = string(v)
		case fieldGroupHome:
			g.Home = string(v)
		case fieldGroupHost:
			g.HostPath = string(v)
		case fieldGroupProduct:
			g.ProductPath = string(v)
		case fieldGroupStart:
			g.StartTime = time.Unix(int64(num), 0)
		case fieldGroupInstances:
			g.Instances = append(g.Instances, unmarshalInstance(v))
		default: // a field of a later version
		}
	})
	return g
}

func unmarshalInstance(b []byte) Instance {
	var i Instance
	eachField(b, func(n protowire.Number, num uint64, v []byte) {
		switch n {
		case fieldInstanceID:
			i.ID = int(uint32(num))
		case fieldInstanceName:
			i.Name = string(v)
		case fieldInstanceState:
			i.State = State(num)
		case fieldInstanceDevice:
			i.DeviceID = string(v)
		default: // a field of a later version
		}
	})
	return i
}

// eachField calls f with the number or the bytes of every field until one does not parse.
func eachField(b []byte, f func(n protowire.Number, num uint64, v []byte)) {
	for len(b) > 0 {
		n, typ, size := protowire.ConsumeTag(b)
		if size < 0 {
			return
		}
		b = b[size:]
		switch typ {
		case protowire.VarintType:
			num, size := protowire.ConsumeVarint(b)
			if size < 0 {
				return
			}
			f(n, num, nil)
			b = b[size:]
		case protowire.BytesType:
			v, size := protowire.ConsumeBytes(b)
			if size < 0 {
				return
			}
			f(n, 0, v)
			b = b[size:]
		default:
			size := protowire.ConsumeFieldValue(n, typ, b)
			if size < 0 {
				return
			}
			b = b[size:]
		}
	}
}
