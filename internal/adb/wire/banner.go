package wire

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Types of banners that matter: what stands before the first colon.
const (
	TypeHost   = "host"
	TypeDevice = "device" // Android runs; others are recovery, sideload, rescue, bootloader
)

// maxFeatures bounds what a peer can make us remember; Android 17 lists about thirty.
const maxFeatures = 256

// Banner is how a side introduces itself in CNXN.
type Banner struct {
	Type                   string // TypeHost, TypeDevice, …
	Product, Model, Device string // ro.product.name, .model, .device; empty for a host
	Features               []string
}

// Has reports whether the side offers a feature. A feature is usable when both sides have it.
func (b Banner) Has(feature string) bool { return slices.Contains(b.Features, feature) }

// String renders the banner as it goes into CNXN. The characters : ; = and , must not occur
// in values, except as ParseBanner returned them.
func (b Banner) String() string {
	var s strings.Builder
	s.WriteString(b.Type)
	s.WriteString("::")
	sep := ""
	for _, p := range [...]struct{ key, value string }{
		{"ro.product.name", b.Product}, {"ro.product.model", b.Model}, {"ro.product.device", b.Device},
		{"features", strings.Join(b.Features, ",")},
	} {
		if p.value != "" {
			s.WriteString(sep + p.key + "=" + p.value)
			sep = ";"
		}
	}
	return s.String()
}

// ParseBanner reads a peer's banner: "type:serial:key=value;key=value". Unknown keys and the
// serial are passed over, as adb does. Since the values end up in logs and answers, what is
// not printable text is left out. The only error is a banner without a type.
func ParseBanner(payload []byte) (Banner, error) {
	text := strings.Map(printable, strings.ToValidUTF8(string(payload), ""))
	kind, rest, found := strings.Cut(text, ":")
	if !found || kind == "" {
		return Banner{}, fmt.Errorf("%w: banner of %d bytes names no type", ErrMalformed, len(payload))
	}
	b := Banner{Type: kind}
	_, props, _ := strings.Cut(rest, ":")
	for prop := range strings.SplitSeq(props, ";") {
		key, value, _ := strings.Cut(prop, "=")
		switch key {
		case "ro.product.name":
			b.Product = value
		case "ro.product.model":
			b.Model = value
		case "ro.product.device":
			b.Device = value
		case "features":
			b.Features = parseFeatures(value)
		}
	}
	return b, nil
}

func parseFeatures(list string) []string {
	var out []string
	for f := range strings.SplitSeq(list, ",") {
		if f != "" && len(out) < maxFeatures {
			out = append(out, f)
		}
	}
	return out
}

func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return -1
}
