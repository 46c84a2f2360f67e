package configs

import "regexp"

// bucketName is S3's rule for buckets (docs: "General purpose bucket naming rules"), which other servers follow.
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// bucketSetting is the name of a bucket.
type bucketSetting struct{ field *string }

func (s bucketSetting) Set(text string) error {
	if !bucketName.MatchString(text) {
		return errNotAllowed
	}
	*s.field = text
	return nil
}

func (bucketSetting) Allowed() string { return "a bucket's name: 3 to 63 of a-z, 0-9, '.' and '-'" }

func (s bucketSetting) String() string { return *s.field }
