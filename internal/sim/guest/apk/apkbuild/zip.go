package apkbuild

import (
	"bufio"
	"crypto/sha256"
	"hash/crc32"
	"io"
	"math/rand/v2"
)

// archive is a zip of stored entries with a signing block in front of its directory. It is written
// by hand because package zip leaves no room there.
type archive struct {
	files []file
	block []byte
}

type file struct {
	name   string
	data   []byte
	random int64 // instead of data: so many bytes of noise
	seed   string
}

func (z *archive) add(name string, data []byte) {
	z.files = append(z.files, file{name: name, data: data})
}

const (
	localHeader   = 30
	centralHeader = 46
	endRecord     = 22
	alignment     = 4
)

// write brings the archive to size, if that is more than it has, and writes it.
func (z *archive) write(w io.Writer, size int64, seed string) error {
	const padding = "assets/padding.bin"
	if room := size - z.size() - localHeader - centralHeader - 2*int64(len(padding)) - alignment; room > 0 {
		f := file{name: padding, random: room, seed: seed}
		z.files = append(z.files, f)
		z.files[len(z.files)-1].random += size - z.size() // what the alignment leaves
	}
	out := bufio.NewWriterSize(w, 256<<10)
	var at int64
	var directory []byte
	for _, f := range z.files {
		local, central := f.headers(at)
		directory = append(directory, central...)
		out.Write(local)
		at += int64(len(local)) + f.length()
		if err := f.copy(out); err != nil {
			return err
		}
	}
	out.Write(z.block)
	out.Write(directory)
	end := words(0x06054b50, 0)
	end = le.AppendUint16(end, uint16(len(z.files)))
	end = le.AppendUint16(end, uint16(len(z.files)))
	end = append(end, words(uint32(len(directory)), uint32(at+int64(len(z.block))))...)
	out.Write(append(end, 0, 0))
	return out.Flush()
}

// size is that of the whole archive.
func (z *archive) size() int64 {
	var at, directory int64
	for _, f := range z.files {
		at += localHeader + int64(len(f.name)) + f.gap(at) + f.length()
		directory += centralHeader + int64(len(f.name))
	}
	return at + int64(len(z.block)) + directory + endRecord
}

func (f file) length() int64 { return int64(len(f.data)) + f.random }

// gap is what brings the content of an entry at offset to a multiple of four, as Android wants it.
func (f file) gap(at int64) int64 {
	begin := at + localHeader + int64(len(f.name))
	return (alignment - begin%alignment) % alignment
}

func (f file) copy(w io.Writer) error {
	if f.random == 0 {
		_, err := w.Write(f.data)
		return err
	}
	_, err := io.CopyN(w, rand.NewChaCha8(sha256.Sum256([]byte(f.seed))), f.random)
	return err
}

// headers are the entry's two records. Its content is made twice: its checksum stands before it.
func (f file) headers(at int64) (local, central []byte) {
	sum := crc32.NewIEEE()
	_ = f.copy(sum)                // a checksum takes everything
	common := words(0, 0x00210000) // flags, method; time and date
	common = append(common, words(sum.Sum32(), uint32(f.length()), uint32(f.length()))...)
	common = le.AppendUint16(common, uint16(len(f.name)))
	local = append(le.AppendUint16(words(0x04034b50), 20), common...)
	local = le.AppendUint16(local, uint16(f.gap(at)))
	local = append(local, f.name...)
	local = append(local, make([]byte, f.gap(at))...)
	central = append(le.AppendUint16(le.AppendUint16(words(0x02014b50), 20), 20), common...)
	central = append(central, make([]byte, 2+2+2+2+4)...) // extra, comment, disk, attributes
	central = le.AppendUint32(central, uint32(at))
	central = append(central, f.name...)
	return local, central
}
