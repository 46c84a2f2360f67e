package daytona

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// generation says in which of the API's dialects a payload is written.
type generation string

const (
	generationNew generation = "new" // v0.190.0
	generationFeb generation = "feb" // 6 February 2026
)

// What the double's one organization, region and registry are called, and the sizes of its sandboxes.
const (
	organizationID   = "558d4bee-6f0e-4c35-9d2a-0b6f6a2d7c11"
	organizationName = "Personal"
	regionID         = "us"
	sandboxClass     = "container"
	osUser           = "daytona"
	defaultSnapshot  = "android-LATEST"
	defaultCPU       = 2
	defaultMemory    = 4
	defaultStorage   = 20
	registryHost     = "127.0.0.1:15000"
	registryProject  = "daytona"
)

// member is a name and a value of an object that keeps the order in which the API writes it.
type member struct {
	name  string
	value any
}

type object []member

// set replaces or appends.
func (o object) set(name string, value any) object {
	for i := range o {
		if o[i].name == name {
			o[i].value = value
			return o
		}
	}
	return append(o, member{name, value})
}

func (o object) drop(name string) object {
	return slices.DeleteFunc(o, func(m member) bool { return m.name == name })
}

// MarshalJSON keeps the order.
func (o object) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			out.WriteByte(',')
		}
		name, err := encodeValue(m.name)
		if err != nil {
			return nil, err
		}
		value, err := encodeValue(m.value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		out.Write(name)
		out.WriteByte(':')
		out.Write(value)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// encodeValue writes < and > as JavaScript does.
func encodeValue(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}

func internalRegistry() object {
	return object{{"project", registryProject}, {"url", registryHost}, {"username", "admin"}, {"password", "password"}}
}

// publicRegistry has the empty strings that were recorded.
func publicRegistry() object {
	return object{{"project", ""}, {"url", "docker.io"}, {"username", ""}, {"password", ""}}
}

func metadata(sandboxName string) object {
	m := object{{"organizationId", organizationID}, {"organizationName", organizationName}, {"limitNetworkEgress", "false"}}
	if sandboxName != "" {
		m = append(m, member{"sandboxName", sandboxName})
	}
	return m
}

// defaults is the payload that the API sends when nobody asks for anything special; nil is none. The
// sandbox is nil for jobs about snapshots.
func (s *Server) defaults(o order, sb *sandbox, now time.Time) object {
	feb := o.Generation == generationFeb
	switch o.Type {
	case createSandbox:
		return createPayload(o, sb, feb)
	case startSandbox:
		if feb {
			return metadata("")
		}
		p := object{{"authToken", newSecret()}}
		if sb.state != paused {
			p = append(p, member{"metadata", metadata("")})
		}
		return p
	case stopSandbox:
		if feb {
			return nil
		}
		return object{}
	case resizeSandbox:
		return object{}
	case recoverSandbox:
		return recoverPayload(sb, feb)
	case updateNetwork:
		if len(o.Payload) > 0 {
			return object{} // only what changes is sent
		}
		return object{{"networkBlockAll", true}}
	case createBackup:
		stamp := now.UTC().Format("2006-01-02T15-04-05.000Z")
		stamp = stamp[:19] + "-" + stamp[20:]
		ref := fmt.Sprintf("%s/%s/backup-%s:%s", registryHost, registryProject, sb.id, stamp)
		return object{{"snapshot", ref}, {"registry", internalRegistry()}}
	case snapshotSandbox:
		return object{
			{"sandboxId", sb.id}, {"name", "snapshot-of-" + sb.name}, {"organizationId", organizationID},
			{"registry", object{{"url", registryHost}, {"username", "admin"}, {"password", "password"}, {"project", registryProject}}},
		}
	case forkSandbox:
		return object{{"sourceSandboxId", sb.id}, {"newSandboxId", newID()}}
	case pauseSandbox:
		return object{{"sandboxId", sb.id}}
	case pullSnapshot:
		text := o.snapshotText()
		p := object{{"snapshot", text}}
		if !feb {
			p = append(p, member{"sandboxClass", sandboxClass})
		}
		return append(p, member{"destinationRegistry", internalRegistry()}, member{"destinationRef", s.destinationRef(text)})
	case buildSnapshot:
		return object{
			{"snapshot", s.destinationRef(o.snapshotText())}, {"dockerfile", "FROM scratch\n"}, {"organizationId", organizationID},
			{"context", []string{}}, {"sourceRegistries", []object{}}, {"registry", internalRegistry()}, {"pushToInternalRegistry", true},
		}
	case inspectSnapshot:
		return object{{"snapshot", o.snapshotText()}, {"registry", publicRegistry()}}
	default: // DESTROY_SANDBOX, REMOVE_SNAPSHOT, and types that only the person at the desk knows
		return nil
	}
}

func createPayload(o order, sb *sandbox, feb bool) object {
	snapshot := o.snapshotText()
	if sb.state == archived && o.Snapshot == "" && sb.backupSnapshot != "" {
		snapshot = sb.backupSnapshot // a restore
	}
	p := object{
		{"id", sb.id}, {"name", sb.name}, {"userId", organizationID}, {"snapshot", snapshot}, {"osUser", osUser},
		{"cpuQuota", defaultCPU}, {"gpuQuota", 0}, {"memoryQuota", defaultMemory}, {"storageQuota", defaultStorage},
		{"env", object{}}, {"registry", internalRegistry()}, {"entrypoint", nil}, {"volumes", []any{}},
		{"networkBlockAll", false}, {"networkAllowList", nil}, {"domainAllowList", nil}, {"metadata", metadata(sb.name)},
		{"authToken", newSecret()}, {"organizationId", organizationID}, {"regionId", regionID}, {"sandboxClass", sandboxClass},
	}
	if feb {
		for _, name := range []string{"name", "domainAllowList", "authToken", "organizationId", "regionId", "sandboxClass"} {
			p = p.drop(name)
		}
	}
	return p
}

func recoverPayload(sb *sandbox, feb bool) object {
	var allowList any
	if sb.networkAllowList != "" {
		allowList = sb.networkAllowList
	}
	p := object{
		{"userId", sb.organizationID}, {"snapshot", sb.snapshot}, {"osUser", sb.user}, {"cpuQuota", sb.cpu}, {"gpuQuota", sb.gpu},
		{"memoryQuota", sb.memory}, {"storageQuota", sb.disk}, {"env", sb.env}, {"volumes", []any{}},
		{"networkBlockAll", sb.networkBlockAll}, {"networkAllowList", allowList}, {"errorReason", sb.errorReason},
		{"backupErrorReason", nil}, {"registry", internalRegistry()},
	}
	if !feb {
		p = append(p, member{"skipStart", false})
	}
	return p
}

// payload renders the defaults with what the order lays over them; nil is no payload.
func (s *Server) payload(o order, sb *sandbox, now time.Time) (*string, error) {
	if o.PayloadText != nil {
		return o.PayloadText, nil
	}
	if string(o.Payload) == "null" {
		return nil, nil
	}
	p := s.defaults(o, sb, now)
	if len(o.Payload) > 0 {
		var over map[string]json.RawMessage
		if err := json.Unmarshal(o.Payload, &over); err != nil {
			return nil, fmt.Errorf("payload must be a JSON object, or null for none; payloadText sends any text: %w", err)
		}
		if p == nil {
			p = object{}
		}
		for _, name := range slices.Sorted(maps.Keys(over)) {
			p = p.set(name, over[name])
		}
	}
	if p == nil {
		return nil, nil
	}
	for _, name := range o.Omit {
		p = p.drop(name)
	}
	data, err := encodeValue(p)
	if err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	text := string(data)
	return &text, nil
}
