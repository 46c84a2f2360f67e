package obs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"

	"github.com/daytonaio/runner-android/configs"
	"github.com/daytonaio/runner-android/internal/obs"
)

func TestLoggerWritesOneJSONObjectALine(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := obs.NewLogger(slog.LevelInfo, &out)
	log.Debug("not shown")
	log.Named("actors.sandbox").Info("state changed", zap.String(obs.SandboxID, "dev-1"),
		zap.Duration(obs.Took, 1500*time.Millisecond), zap.Error(errors.New("torn\nline")))
	line := strings.TrimSuffix(out.String(), "\n")
	if strings.Contains(line, "\n") {
		t.Fatalf("more than one line: %s", line)
	}
	var got map[string]string
	if err := json.Unmarshal([]byte(line), &got); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	stamp, err := time.Parse("2006-01-02T15:04:05.000Z", got["time"])
	if err != nil || time.Since(stamp) > time.Minute {
		t.Errorf("time is %q: %v", got["time"], err)
	}
	delete(got, "time")
	want := map[string]string{
		"level": "info", "logger": "actors.sandbox", "message": "state changed",
		"sandbox_id": "dev-1", "took": "1.5s", "error": "torn\nline",
	}
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s is %q, want %q", key, got[key], value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestLoggerShowsItsLevelAndAbove(t *testing.T) {
	t.Parallel()
	tests := []struct {
		level slog.Level
		want  string
	}{
		{slog.LevelDebug, "debug info warn error"},
		{slog.LevelInfo, "info warn error"},
		{slog.LevelWarn, "warn error"},
		{slog.LevelError, "error"},
	}
	for _, tt := range tests {
		t.Run(tt.level.String(), func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			log := obs.NewLogger(tt.level, &out)
			log.Debug("x")
			log.Info("x")
			log.Warn("x")
			log.Error("x")
			shown := regexp.MustCompile(`"level":"(\w+)"`).FindAllStringSubmatch(out.String(), -1)
			var got []string
			for _, match := range shown {
				got = append(got, match[1])
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %v, want %s", got, tt.want)
			}
		})
	}
}

func TestLoggerKeepsConcurrentLinesApart(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer // no lock of its own: the race detector watches the logger's
	log := obs.NewLogger(slog.LevelInfo, &out)
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 50 {
				log.Info("x")
			}
		})
	}
	writers.Wait()
	if got := strings.Count(out.String(), "\n"); got != 400 {
		t.Errorf("got %d lines, want 400", got)
	}
}

func TestSlogLoggerJoinsTheStream(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := obs.NewLogger(slog.LevelInfo, &out).Named("actors")
	bridge := obs.SlogLogger(log)
	bridge.Debug("not shown")
	bridge.Warn("actor restarted", slog.String(obs.Actor, "sb-1"), slog.Int(obs.Attempt, 2))
	for _, want := range []string{`"level":"warn"`, `"logger":"actors"`, `"message":"actor restarted"`, `"actor":"sb-1"`, `"attempt":2`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in %s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "not shown") {
		t.Error("the level was lost")
	}
}

func TestSettingsAndConfigNeverLogTheToken(t *testing.T) {
	t.Parallel()
	cfg, err := configs.Load([]string{"API_TOKEN=s3cret-token"})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	obs.NewLogger(slog.LevelInfo, &out).Info("x", obs.Settings(cfg), zap.Any("config", cfg),
		zap.Reflect("reflected", cfg), zap.Any("token", cfg.Token), zap.Stringer("text", cfg.Token))
	if strings.Contains(out.String(), "s3cret") {
		t.Errorf("the token is in %s", out.String())
	}
	for _, want := range []string{`"settings":{"DAYTONA_RUNNER_TOKEN":"(secret)","API_PORT":"3107"`, `"Token":"(secret)"`, `"text":"(secret)"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in %s", want, out.String())
		}
	}
}

func TestErrorIDsAreShortAndDiffer(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[a-z2-7]{8}$`)
	seen := map[string]bool{}
	for range 1000 {
		id := obs.NewErrorID()
		if !form.MatchString(id) || seen[id] {
			t.Fatalf("%q is malformed or came twice", id)
		}
		seen[id] = true
	}
}

func TestRegistryKnowsRuntimeProcessAndBuild(t *testing.T) {
	t.Parallel()
	registry := obs.NewRegistry()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, family := range families {
		found[family.GetName()] = true
	}
	for _, want := range []string{"go_goroutines", "process_resident_memory_bytes", "runner_android_build_info"} {
		if !found[want] {
			t.Errorf("no metric %s", want)
		}
	}
	build := obs.ThisBuild()
	want := "# HELP runner_android_build_info Always 1; the labels say which build runs.\n" +
		"# TYPE runner_android_build_info gauge\n" +
		`runner_android_build_info{commit="` + build.Commit + `",go="` + runtime.Version() + `",version="` + build.Version + "\"} 1\n"
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "runner_android_build_info"); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.GatherAndLint(registry, "runner_android_build_info"); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

func TestFieldNamesAreUniqueSnakeCase(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "fields.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	form := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	seen := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		literal, ok := n.(*ast.BasicLit)
		if !ok {
			return true
		}
		name, err := strconv.Unquote(literal.Value)
		if err != nil || !form.MatchString(name) || seen[name] {
			t.Errorf("field name %s is malformed or came twice", literal.Value)
		}
		seen[name] = true
		return true
	})
	if len(seen) < 20 {
		t.Errorf("only %d field names were found", len(seen))
	}
}
