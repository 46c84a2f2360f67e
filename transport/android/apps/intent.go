package apps

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
	"github.com/daytonaio/runner-android/transport/android/name"
)

// Bounds of an intent. All of it is one command of the guest's shell.
const (
	maxExtras     = 100
	maxText       = 16 << 10 // of one text
	maxCommand    = 96 << 10 // Linux takes 128 KiB
	maxName       = 256
	maxCategories = 10
)

// Grammars of what an intent names.
var (
	dottedName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)+$`)
	extraName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.:/-]*$`)
	mimeType   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*/([A-Za-z0-9*][A-Za-z0-9!#$&^_.+-]*)$`)
	scheme     = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*):`)
)

// dangerous are schemes that make an app run code, read files, or start what nobody named.
var dangerous = []string{"javascript", "file", "content", "intent", "android-app", "data"}

// intent is what an app is started with, in typed fields.
type intent struct {
	Package      string                     `json:"package"`
	Activity     string                     `json:"activity"`
	URL          string                     `json:"url"`
	Data         string                     `json:"data"` // the same as URL
	Action       string                     `json:"action"`
	Category     names                      `json:"category"`
	MIMEType     string                     `json:"mimeType"`
	Extras       map[string]json.RawMessage `json:"extras"`
	AllowSchemes []string                   `json:"allowSchemes"`
	Wait         *bool                      `json:"wait"` // nil: yes
	Stop         bool                       `json:"stop"`
	Watch        *int                       `json:"watchMs"`
}

// names is one text, or a list of them.
type names []string

// UnmarshalJSON implements json.Unmarshaler.
func (n *names) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*n = nil
		if one != "" {
			*n = names{one}
		}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(n))
}

// maxWatch bounds how long a caller may have an app watched, in milliseconds.
const maxWatch = 10_000

// check checks all fields by grammar, and puts URL and data in one.
func (i *intent) check() error {
	if _, err := name.Package(i.Package); err != nil {
		return err
	}
	if i.Activity != "" {
		i.Activity = strings.TrimPrefix(i.Activity, i.Package+"/")
		if _, err := name.Activity(i.Activity); err != nil {
			return err
		}
	}
	if i.URL != "" && i.Data != "" && i.URL != i.Data {
		return fault.Invalidf("url and data are the same thing: send one of them")
	}
	if i.URL == "" {
		i.URL = i.Data
	}
	switch {
	case i.Action != "" && (len(i.Action) > maxName || !dottedName.MatchString(i.Action)):
		return fault.Invalidf("%.80q is no action: they look like android.intent.action.VIEW", i.Action)
	case i.MIMEType != "" && (len(i.MIMEType) > maxName || !mimeType.MatchString(i.MIMEType)):
		return fault.Invalidf("%.80q is no MIME type: they look like image/png", i.MIMEType)
	case len(i.Category) > maxCategories:
		return fault.Invalidf("more than %d categories", maxCategories)
	case i.Watch != nil && (*i.Watch < 0 || *i.Watch > maxWatch):
		return fault.Invalidf("watchMs is 0 to %d", maxWatch)
	}
	for _, category := range i.Category {
		if len(category) > maxName || !dottedName.MatchString(category) {
			return fault.Invalidf("%.80q is no category: they look like android.intent.category.DEFAULT", category)
		}
	}
	if i.URL != "" {
		return checkURL(i.URL, i.AllowSchemes)
	}
	return nil
}

// checkURL refuses what is no URL, and schemes that do harm unless the caller allows them.
func checkURL(text string, allowed []string) error {
	m := scheme.FindStringSubmatch(text)
	if m == nil {
		return fault.Invalidf("%.80q is no URL: it has no scheme, such as https:", text)
	}
	if len(text) > maxText || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fault.Invalidf("the URL is longer than %d bytes, or holds control characters", maxText)
	}
	its := strings.ToLower(m[1])
	if slices.Contains(dangerous, its) && !slices.ContainsFunc(allowed, func(s string) bool { return strings.EqualFold(s, its) }) {
		return fault.Invalidf("%s: URLs are refused unless allowSchemes names %q", its, its)
	}
	return nil
}

// implicit reports whether the device has to find the activity by what is to be done.
func (i *intent) implicit() bool {
	return i.Activity == "" && (i.URL != "" || i.Action != "" || i.MIMEType != "" || len(i.Category) > 0)
}

// command is what starts the app; activity is empty for an implicit one.
func (i *intent) command(activity string) (string, error) {
	words := []string{"am", "start"}
	if i.Wait == nil || *i.Wait {
		words = append(words, "-W")
	}
	if i.Stop {
		words = append(words, "-S")
	}
	action, categories := i.Action, []string(i.Category)
	switch {
	case activity == "":
		words = append(words, "-p", i.Package)
		if action == "" && i.URL != "" {
			action = "android.intent.action.VIEW"
		}
	case i.Activity == "" && action == "" && len(categories) == 0: // as a launcher does, so that a running app comes to the front as it is
		action, categories = "android.intent.action.MAIN", []string{"android.intent.category.LAUNCHER"}
	}
	if action != "" {
		words = append(words, "-a", action)
	}
	for _, category := range categories {
		words = append(words, "-c", category)
	}
	if i.MIMEType != "" {
		words = append(words, "-t", i.MIMEType)
	}
	if i.URL != "" {
		words = append(words, "-d", i.URL)
	}
	extras, err := i.extras()
	if err != nil {
		return "", err
	}
	words = append(words, extras...)
	if activity != "" {
		words = append(words, "-n", i.Package+"/"+activity)
	}
	command := line(words...)
	if len(command) > maxCommand {
		return "", fault.Invalidf("the intent is longer than %d bytes", maxCommand)
	}
	return command, nil
}

// extras are the words for the extras, in the order of their names.
func (i *intent) extras() ([]string, error) {
	if len(i.Extras) > maxExtras {
		return nil, fault.Invalidf("more than %d extras", maxExtras)
	}
	var words []string
	for _, key := range slices.Sorted(maps.Keys(i.Extras)) {
		if len(key) > maxName || !extraName.MatchString(key) {
			return nil, fault.Invalidf("%.80q is no name of an extra: it is letters, digits and _ . : / - behind a letter", key)
		}
		flag, value, err := extra(i.Extras[key])
		if err != nil {
			return nil, fault.Invalidf("extra %s: %v", key, err)
		}
		words = append(words, flag, key)
		if flag != "--esn" {
			words = append(words, value)
		}
	}
	return words, nil
}

// extra is the flag of am for a value of JSON, and its text.
func extra(raw json.RawMessage) (flag, text string, err error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return "", "", err
	}
	switch v := value.(type) {
	case nil:
		return "--esn", "", nil
	case bool:
		return "--ez", strconv.FormatBool(v), nil
	case string:
		return "--es", v, checkText(v)
	case json.Number:
		return number(v)
	case []any:
		return texts(v)
	}
	return "", "", fault.Invalidf("a value is a text, true or false, a number, null or a list of texts")
}

func number(v json.Number) (flag, text string, err error) {
	if n, err := v.Int64(); err == nil {
		if n >= math.MinInt32 && n <= math.MaxInt32 {
			return "--ei", v.String(), nil
		}
		return "--el", v.String(), nil
	}
	if f, err := v.Float64(); err == nil && math.Abs(f) <= math.MaxFloat32 && strings.ContainsAny(v.String(), ".eE") {
		return "--ef", strconv.FormatFloat(f, 'g', -1, 32), nil
	}
	return "", "", fault.Invalidf("%.40s fits no number of Android", v)
}

// texts joins a list as am parts it. am has no way to say a comma within a text, or an empty text.
func texts(list []any) (flag, text string, err error) {
	words := make([]string, len(list))
	for i, v := range list {
		word, ok := v.(string)
		if !ok {
			return "", "", fault.Invalidf("a list is of texts only")
		}
		if word == "" || strings.ContainsAny(word, `,\`) {
			return "", "", fault.Invalidf(`the texts of a list are not empty, and hold neither "," nor "\": Android's am cannot pass them`)
		}
		words[i] = word
	}
	if len(words) == 0 {
		return "", "", fault.Invalidf("Android's am cannot pass an empty list")
	}
	text = strings.Join(words, ",")
	return "--esa", text, checkText(text)
}

func checkText(text string) error {
	if len(text) > maxText || strings.ContainsRune(text, 0) {
		return fault.Invalidf("a text is at most %d bytes, without NUL", maxText)
	}
	return nil
}
