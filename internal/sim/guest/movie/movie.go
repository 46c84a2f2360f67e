// Package movie writes MP4 files with one track of H.264, as Android's MediaMuxer lays them out: the frames come
// first, and the index, without which no player can do anything, last.
//
//	m, err := movie.New(file, sps, pps)
//	err = m.Add(frame, at, true)
//	err = m.End(at)
//
// A file whose writer was killed has frames and no index.
package movie

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/Eyevinn/mp4ff/mp4"
)

// File is what a movie is written to, from its beginning on.
type File interface {
	io.Writer
	io.WriterAt
}

// second is one second, in the units of the track.
const second = 90000

// Movie is a file on its way. It is for one goroutine.
type Movie struct {
	file     File
	sps, pps []byte
	begin    int64 // where the box of the frames begins
	size     int64 // of the frames
	sizes    []uint32
	at       []time.Duration
	keys     []uint32 // numbers of the frames that need no other, from 1
}

// header is that of a box with its size in 64 bits.
const header = 16

// New begins a movie in an empty file.
func New(file File, sps, pps []byte) (*Movie, error) {
	m := &Movie{file: file, sps: sps, pps: pps}
	kind := mp4.NewFtyp("isom", 0x200, []string{"isom", "iso2", "avc1", "mp41"})
	if err := kind.Encode(file); err != nil {
		return nil, fmt.Errorf("write the head: %w", err)
	}
	m.begin = int64(kind.Size())
	_, err := file.Write(m.box())
	return m, err
}

// box is the beginning of the box that holds the frames.
func (m *Movie) box() []byte {
	head := append([]byte{0, 0, 0, 1}, "mdat"...)
	return binary.BigEndian.AppendUint64(head, uint64(header+m.size))
}

// Add adds a frame, each unit behind its size, that is shown from a time on, which is after that of the frame
// before it; the first one's is 0. A key frame needs no other.
func (m *Movie) Add(frame []byte, at time.Duration, key bool) error {
	n, err := m.file.Write(frame)
	m.size += int64(n)
	if err != nil {
		return err
	}
	m.sizes, m.at = append(m.sizes, uint32(n)), append(m.at, at)
	if key {
		m.keys = append(m.keys, uint32(len(m.sizes)))
	}
	return nil
}

// Frames is how many there are.
func (m *Movie) Frames() int { return len(m.sizes) }

// End writes the index of a movie that ends at a time. It does not close the file.
func (m *Movie) End(at time.Duration) error {
	if len(m.sizes) == 0 {
		return errors.New("movie: no frame")
	}
	index, err := m.index(at)
	if err != nil {
		return err
	}
	if _, err := m.file.WriteAt(m.box(), m.begin); err != nil {
		return err
	}
	return index.Encode(m.file)
}

func (m *Movie) index(end time.Duration) (*mp4.MoovBox, error) {
	moov := mp4.NewMoovBox()
	moov.AddChild(mp4.CreateMvhd())
	moov.AddChild(mp4.CreateEmptyTrak(1, second, "video", "und"))
	moov.Mvhd.NextTrackID = 2
	track := moov.Trak
	if err := track.SetAVCDescriptor("avc1", [][]byte{m.sps}, [][]byte{m.pps}, true); err != nil {
		return nil, fmt.Errorf("describe the track: %w", err)
	}
	table := track.Mdia.Minf.Stbl
	if err := table.Stsc.AddEntry(1, uint32(len(m.sizes)), 1); err != nil {
		return nil, err
	}
	table.Stco.ChunkOffset = []uint32{uint32(m.begin + header)}
	table.Stsz.SampleNumber, table.Stsz.SampleSize = uint32(len(m.sizes)), m.sizes
	table.AddChild(&mp4.StssBox{SampleNumber: m.keys})
	last := units(max(end, m.at[len(m.at)-1]+time.Millisecond))
	for i, at := range m.at {
		next := last
		if i+1 < len(m.at) {
			next = units(m.at[i+1])
		}
		table.Stts.SampleCount = append(table.Stts.SampleCount, 1)
		table.Stts.SampleTimeDelta = append(table.Stts.SampleTimeDelta, uint32(next-units(at)))
	}
	track.Mdia.Mdhd.Duration = last
	moov.Mvhd.Duration = last * uint64(moov.Mvhd.Timescale) / second
	track.Tkhd.Duration = moov.Mvhd.Duration
	return moov, nil
}

func units(d time.Duration) uint64 { return uint64(d * second / time.Second) }
