package runnerapi

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/transport"
)

// items is the answer to GET /sandboxes, a JSON array.
type items []sandbox.Info

// AppendJSON implements transport.Appender.
func (l items) AppendJSON(dst []byte) []byte {
	dst = append(dst, '[')
	for i := range l {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendItem(append(dst, '{'), &l[i]), '}')
	}
	return append(dst, ']')
}

// details is the answer to GET /sandboxes/{id}: Daytona's SandboxInfoResponse and the item.
type details sandbox.Info

// AppendJSON implements transport.Appender.
func (d *details) AppendJSON(dst []byte) []byte {
	info := (*sandbox.Info)(d)
	dst = appendBackup(append(dst, '{'), info.Backup)
	dst = append(dst, `,"recoverable":`...)
	dst = strconv.AppendBool(dst, recoverable(info))
	dst = append(dst, ',')
	return append(appendItem(dst, info), '}')
}

// noBackup is Daytona's word for none.
const noBackup = "NONE"

func appendBackup(dst []byte, b sandbox.Backup) []byte {
	if b.State == "" {
		return append(dst, `"backupState":"`+noBackup+`"`...)
	}
	dst = transport.AppendString(append(dst, `"backupState":`...), string(b.State))
	dst = transport.AppendString(append(dst, `,"backupSnapshot":`...), b.Ref)
	if b.Failure != "" {
		dst = transport.AppendString(append(dst, `,"backupError":`...), b.Failure)
	}
	return dst
}

// recoverable: it failed, but still has its number, so its files may be there and a start may
// help. A create that failed leaves nothing behind.
func recoverable(info *sandbox.Info) bool {
	return info.State == sandbox.Error && info.Instance != 0
}

// appendItem appends the fields of an item without the braces. It is written by hand because
// GET /sandboxes/{id} is asked for all the time; a test compares it with encoding/json.
func appendItem(dst []byte, info *sandbox.Info) []byte {
	dst = transport.AppendString(append(dst, `"id":`...), string(info.ID))
	dst = transport.AppendString(append(dst, `,"state":`...), string(info.State))
	dst = appendTime(append(dst, `,"since":`...), info.Since)
	dst = appendTime(append(dst, `,"observedAt":`...), info.ObservedAt)
	dst = transport.AppendString(append(dst, `,"reason":`...), info.Reason)
	dst = appendEvidence(append(dst, `,"evidence":`...), info.Evidence)
	dst = strconv.AppendInt(append(dst, `,"instanceNum":`...), int64(info.Instance), 10)
	dst = strconv.AppendInt(append(dst, `,"adbPort":`...), int64(info.ADBPort), 10)
	dst = transport.AppendString(append(dst, `,"adbSerial":`...), info.ADBSerial)
	dst = appendMetadata(append(dst, `,"metadata":`...), info.Metadata)
	dst = transport.AppendString(append(dst, `,"snapshot":`...), info.Snapshot)
	dst = appendResources(append(dst, `,"resources":`...), info.Resources)
	if info.Next != (sandbox.Resources{}) {
		dst = appendResources(append(dst, `,"nextResources":`...), info.Next)
	}
	if info.Network.Restricts() {
		dst = appendNetwork(append(dst, `,"network":`...), info.Network)
	}
	return dst
}

func appendResources(dst []byte, r sandbox.Resources) []byte {
	dst = strconv.AppendInt(append(dst, `{"cpus":`...), int64(r.CPUs), 10)
	dst = strconv.AppendInt(append(dst, `,"memoryMB":`...), int64(r.MemoryMB), 10)
	dst = strconv.AppendInt(append(dst, `,"diskGB":`...), int64(r.DiskGB), 10)
	return append(dst, '}')
}

// appendNetwork shows what was asked for, and that nothing sees to it.
func appendNetwork(dst []byte, n sandbox.Network) []byte {
	dst = strconv.AppendBool(append(dst, `{"blockAll":`...), n.BlockAll)
	dst = transport.AppendString(append(dst, `,"allowList":`...), n.AllowList)
	dst = transport.AppendString(append(dst, `,"domainAllowList":`...), n.DomainAllowList)
	dst = strconv.AppendBool(append(dst, `,"limitEgress":`...), n.LimitEgress)
	return append(dst, `,"enforced":false}`...)
}

// appendTime appends null for what has not happened.
func appendTime(dst []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(dst, "null"...)
	}
	return append(t.UTC().AppendFormat(append(dst, '"'), time.RFC3339Nano), '"')
}

func appendEvidence(dst []byte, evidence []sandbox.Evidence) []byte {
	dst = append(dst, '[')
	for i := range evidence {
		if i > 0 {
			dst = append(dst, ',')
		}
		e := &evidence[i]
		dst = transport.AppendString(append(dst, `{"layer":`...), e.Layer)
		dst = transport.AppendString(append(dst, `,"fact":`...), e.Fact)
		dst = append(appendTime(append(dst, `,"at":`...), e.At), '}')
	}
	return append(dst, ']')
}

func appendMetadata(dst []byte, metadata map[string]string) []byte {
	dst = append(dst, '{')
	if len(metadata) > 0 {
		for i, key := range slices.Sorted(maps.Keys(metadata)) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(transport.AppendString(dst, key), ':')
			dst = transport.AppendString(dst, metadata[key])
		}
	}
	return append(dst, '}')
}
