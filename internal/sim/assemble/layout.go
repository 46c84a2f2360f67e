package assemble

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// partition is a named range of the OS disk.
type partition struct{ label, path string }

// images are the files of a product directory and the partitions they fill. super.img and boot.img
// must be there.
func images() map[string][]string {
	return map[string][]string{
		"boot.img":               {"boot_a", "boot_b"},
		"init_boot.img":          {"init_boot_a", "init_boot_b"},
		"vendor_boot.img":        {"vendor_boot_a", "vendor_boot_b"},
		"vbmeta.img":             {"vbmeta_a", "vbmeta_b"},
		"vbmeta_system.img":      {"vbmeta_system_a", "vbmeta_system_b"},
		"vbmeta_vendor_dlkm.img": {"vbmeta_vendor_dlkm_a", "vbmeta_vendor_dlkm_b"},
		"vbmeta_system_dlkm.img": {"vbmeta_system_dlkm_a", "vbmeta_system_dlkm_b"},
		"super.img":              {"super"},
	}
}

const (
	gptHeaderSize = 20480 // MBR, GPT header and 128 entries, rounded up
	gptFooterSize = 16896
	partitionUnit = 4096    // AC image_aggregator: partitions begin on pages
	diskUnit      = 1 << 16 // and the whole disk is a multiple of this
)

// partitions returns the partitions of the OS disk in the order of their names.
func (c Config) partitions() ([]partition, error) {
	parts := []partition{{"metadata", c.metadata()}, {"misc", c.misc()}, {"userdata", c.userdata()}}
	for file, labels := range images() {
		path := filepath.Join(c.Product, file)
		if _, err := os.Stat(path); err != nil {
			if file == "super.img" || file == "boot.img" {
				return nil, fmt.Errorf("product image: %w", err)
			}
			continue
		}
		for _, label := range labels {
			parts = append(parts, partition{label, path})
		}
	}
	slices.SortFunc(parts, func(a, b partition) int { return cmp.Compare(a.label, b.label) })
	return parts, nil
}

// userdata is the file behind the guest's data partition.
func (c Config) userdata() string {
	if c.Policy != AlwaysCreate {
		path := filepath.Join(c.Product, "userdata.img")
		if info, err := os.Stat(path); err == nil && info.Size() > 0 {
			return path
		}
	}
	return c.in("userdata.img")
}

// components are the partitions between the partition tables.
func (c Config) components() ([]string, error) {
	parts, err := c.partitions()
	if err != nil {
		return nil, err
	}
	paths := []string{c.in("os_composite_gpt_header.img")}
	for _, p := range parts {
		paths = append(paths, p.path)
	}
	return append(paths, c.in("os_composite_gpt_footer.img")), nil
}

// diskConfig is the text in which the next start looks for changed paths.
func diskConfig(paths []string) string { return "crosvm\n" + strings.Join(paths, "\n") + "\n" }

// layOut puts the components one behind the other.
func layOut(paths []string) (Composite, error) {
	var c Composite
	at := int64(0)
	for i, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return Composite{}, fmt.Errorf("lay out the OS disk: %w", err)
		}
		if i == len(paths)-1 {
			// The backup partition table ends with the disk.
			at = roundUp(at+info.Size(), diskUnit) - info.Size()
		}
		c.Components = append(c.Components, Component{Path: path, Offset: at})
		at = roundUp(at+info.Size(), partitionUnit)
		if i == len(paths)-1 {
			at = roundUp(at, diskUnit)
		}
	}
	c.Length = at
	return c, nil
}

func roundUp(n, unit int64) int64 { return (n + unit - 1) / unit * unit }
