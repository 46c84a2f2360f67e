package wire

import (
	"encoding/binary"
	"fmt"
)

// SyncID is the four letters that begin every message of the sync service.
type SyncID uint32

// Messages of the sync service (adb's file_sync_protocol.h). The value reads as four letters on
// the wire.
const (
	SyncStat   SyncID = 0x54415453 // STAT: lstat, of 32 bits
	SyncStat2  SyncID = 0x32415453 // STA2: stat
	SyncLstat2 SyncID = 0x3254534c // LST2: lstat
	SyncList   SyncID = 0x5453494c // LIST
	SyncList2  SyncID = 0x3253494c // LIS2
	SyncDent   SyncID = 0x544e4544 // DENT: an entry of LIST
	SyncDent2  SyncID = 0x32544e44 // DNT2: an entry of LIS2
	SyncRecv   SyncID = 0x56434552 // RECV: device to host
	SyncRecv2  SyncID = 0x32564352 // RCV2: the same, followed by a second RCV2 with flags
	SyncSend   SyncID = 0x444e4553 // SEND: host to device
	SyncSend2  SyncID = 0x32444e53 // SND2: the same, followed by a second SND2 with mode and flags
	SyncData   SyncID = 0x41544144 // DATA
	SyncDone   SyncID = 0x454e4f44 // DONE
	SyncOkay   SyncID = 0x59414b4f // OKAY
	SyncFail   SyncID = 0x4c494146 // FAIL
	SyncQuit   SyncID = 0x54495551 // QUIT
)

// SyncIDs lists every message, for tables that must be complete.
func SyncIDs() []SyncID {
	return []SyncID{SyncStat, SyncStat2, SyncLstat2, SyncList, SyncList2, SyncDent, SyncDent2, SyncRecv,
		SyncRecv2, SyncSend, SyncSend2, SyncData, SyncDone, SyncOkay, SyncFail, SyncQuit}
}

// String returns the four letters, or the number of what has none.
func (id SyncID) String() string {
	letters := binary.LittleEndian.AppendUint32(nil, uint32(id))
	for _, c := range letters {
		if c < '0' || c > 'Z' {
			return fmt.Sprintf("0x%08x", uint32(id))
		}
	}
	return string(letters)
}

// Sizes and limits of the sync service.
const (
	SyncHeaderSize = 8 // id and a number: a length, or the last word of a short answer
	MaxSyncPath    = 1024
	MaxSyncData    = 64 << 10
	MaxSyncName    = 255 // Linux's NAME_MAX; adb itself takes 256

	SyncStatSize  = 16 // STAT, id included
	SyncStat2Size = 72 // STA2 and LST2
	SyncDentSize  = 20 // DENT, and the DONE behind the last, without the name
	SyncDent2Size = 76 // DNT2, and the DONE behind the last, without the name
)

// AppendSyncHeader adds an id and a number to dst.
func AppendSyncHeader(dst []byte, id SyncID, n uint32) []byte {
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(dst, uint32(id)), n)
}

// AppendSyncRequest adds a request about a path to dst.
func AppendSyncRequest(dst []byte, id SyncID, path string) []byte {
	return append(AppendSyncHeader(dst, id, uint32(len(path))), path...)
}

// ParseSyncHeader reads the id and the number at the start of b, which must hold SyncHeaderSize
// bytes.
func ParseSyncHeader(b []byte) (SyncID, uint32) {
	_ = b[SyncHeaderSize-1]
	return SyncID(binary.LittleEndian.Uint32(b)), binary.LittleEndian.Uint32(b[4:])
}

// SyncFileStat is what a device says of a file. The short forms fill Mode, Size and MTime.
type SyncFileStat struct {
	Error               uint32 // Linux's errno; the rest is then zero
	Dev, Ino            uint64
	Mode                uint32 // Linux's st_mode
	Nlink               uint32
	UID, GID            uint32
	Size                uint64
	ATime, MTime, CTime int64 // seconds
}

// ParseSyncStat reads a STAT answer, or the start of a DENT, its id included: b must hold
// SyncStatSize bytes.
func ParseSyncStat(b []byte) SyncFileStat {
	_ = b[SyncStatSize-1]
	le := binary.LittleEndian
	return SyncFileStat{Mode: le.Uint32(b[4:]), Size: uint64(le.Uint32(b[8:])), MTime: int64(le.Uint32(b[12:]))}
}

// ParseSyncStat2 reads an STA2 or LST2 answer, or the start of a DNT2, its id included: b must
// hold SyncStat2Size bytes.
func ParseSyncStat2(b []byte) SyncFileStat {
	_ = b[SyncStat2Size-1]
	le := binary.LittleEndian
	return SyncFileStat{
		Error: le.Uint32(b[4:]), Dev: le.Uint64(b[8:]), Ino: le.Uint64(b[16:]), Mode: le.Uint32(b[24:]),
		Nlink: le.Uint32(b[28:]), UID: le.Uint32(b[32:]), GID: le.Uint32(b[36:]), Size: le.Uint64(b[40:]),
		ATime: int64(le.Uint64(b[48:])), MTime: int64(le.Uint64(b[56:])), CTime: int64(le.Uint64(b[64:])),
	}
}

// Append adds s to dst as an STA2 or LST2 answer, or the start of a DNT2.
func (s SyncFileStat) Append(dst []byte, id SyncID) []byte {
	le := binary.LittleEndian
	dst = AppendSyncHeader(dst, id, s.Error)
	dst = le.AppendUint64(le.AppendUint64(dst, s.Dev), s.Ino)
	for _, word := range [...]uint32{s.Mode, s.Nlink, s.UID, s.GID} {
		dst = le.AppendUint32(dst, word)
	}
	dst = le.AppendUint64(dst, s.Size)
	for _, t := range [...]int64{s.ATime, s.MTime, s.CTime} {
		dst = le.AppendUint64(dst, uint64(t))
	}
	return dst
}
