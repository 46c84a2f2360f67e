package jsoncpp

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const rightMargin = 74 // jsoncpp's StyledWriter breaks plain arrays that are wider

// Format returns v without a final newline. It panics on types that it does not know.
func Format(v any) string {
	var b strings.Builder
	write(&b, v, 0)
	return b.String()
}

func write(b *strings.Builder, v any, depth int) {
	switch v := v.(type) {
	case map[string]any:
		writeObject(b, v, depth)
	case []any:
		writeArray(b, v, depth)
	default:
		b.WriteString(scalar(v))
	}
}

func scalar(v any) string {
	switch v := v.(type) {
	case string, bool, int, int64, uint64:
		data, err := json.Marshal(v)
		if err != nil {
			panic(err) // these types always have a JSON form
		}
		return string(data)
	}
	panic(fmt.Sprintf("jsoncpp: no form for %T", v))
}

func writeObject(b *strings.Builder, m map[string]any, depth int) {
	if len(m) == 0 {
		b.WriteString("{}")
		return
	}
	open(b, "{", depth)
	for i, key := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			b.WriteString(",")
			newline(b, depth+1)
		}
		b.WriteString(scalar(key) + " : ")
		if multiline(m[key]) {
			newline(b, depth+1)
		}
		write(b, m[key], depth+1)
	}
	newline(b, depth)
	b.WriteString("}")
}

func writeArray(b *strings.Builder, list []any, depth int) {
	switch {
	case len(list) == 0:
		b.WriteString("[]")
		return
	case !multiline(list):
		b.WriteString(oneLine(list))
		return
	}
	open(b, "[", depth)
	for i, v := range list {
		if i > 0 {
			b.WriteString(",")
			newline(b, depth+1)
		}
		write(b, v, depth+1)
	}
	newline(b, depth)
	b.WriteString("]")
}

func open(b *strings.Builder, bracket string, depth int) {
	b.WriteString(bracket)
	newline(b, depth+1)
}

func newline(b *strings.Builder, depth int) {
	b.WriteString("\n" + strings.Repeat("\t", depth))
}

func multiline(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		return len(v) > 0
	case []any:
		for _, e := range v {
			if _, ok := e.(map[string]any); ok {
				return true
			}
			if _, ok := e.([]any); ok {
				return true
			}
		}
		return len(v) > 0 && len(oneLine(v)) > rightMargin
	}
	return false
}

func oneLine(list []any) string {
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = scalar(v)
	}
	return "[ " + strings.Join(parts, ", ") + " ]"
}
