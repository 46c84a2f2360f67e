package disktemplate

import (
	"bytes"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/daytonaio/runner-android/internal/fault"
)

// compositeMagic begins a composite disk; a CompositeDisk of crosvm's cdisk_spec.proto follows.
const compositeMagic = "composite_disk\x1d"

const (
	fieldComponents protowire.Number = 2 // of CompositeDisk
	fieldPath       protowire.Number = 1 // of ComponentDisk
)

// mapPaths returns a composite in which each component's path is what replace makes of it. All else stays, fields of later
// versions included. Invalid for what is no composite.
func mapPaths(composite []byte, replace func(string) string) ([]byte, error) {
	body, ok := bytes.CutPrefix(composite, []byte(compositeMagic))
	if !ok {
		return nil, fault.Invalidf("not a composite disk")
	}
	out, err := mapFields(body, fieldComponents, func(component []byte) ([]byte, error) {
		return mapFields(component, fieldPath, func(path []byte) ([]byte, error) { return []byte(replace(string(path))), nil })
	})
	return append([]byte(compositeMagic), out...), err
}

// mapFields returns a message in which the content of each field of that number is replaced.
func mapFields(message []byte, number protowire.Number, replace func([]byte) ([]byte, error)) (out []byte, err error) {
	for len(message) > 0 {
		n, typ, length := protowire.ConsumeField(message)
		if length < 0 {
			return nil, fault.Invalidf("a damaged composite disk: %v", protowire.ParseError(length))
		}
		field := message[:length]
		message = message[length:]
		if n != number || typ != protowire.BytesType {
			out = append(out, field...)
			continue
		}
		_, _, tag := protowire.ConsumeTag(field)
		content, _ := protowire.ConsumeBytes(field[tag:])
		if content, err = replace(content); err != nil {
			return nil, err
		}
		out = protowire.AppendTag(out, n, typ)
		out = protowire.AppendBytes(out, content)
	}
	return out, nil
}
