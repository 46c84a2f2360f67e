package obs

import (
	"io"
	"log/slog"
	"os"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"
	"go.uber.org/zap/zapcore"
	"golang.org/x/term"

	"github.com/daytonaio/runner-android/configs"
)

// NewLogger returns a logger that writes to out from the given level up: one JSON object a
// line, or aligned text when out is a terminal. Times are UTC with milliseconds, durations
// are text ("1.5s"). Lines are never sampled, because one state change is one line. Writes
// are serialised; the caller keeps out open for as long as the logger is used.
func NewLogger(level slog.Level, out io.Writer) *zap.Logger {
	core := zapcore.NewCore(encoder(isTerminal(out)), zapcore.Lock(zapcore.AddSync(out)), zapLevel(level))
	return zap.New(core, zap.ErrorOutput(zapcore.Lock(os.Stderr)))
}

// SlogLogger returns a slog view of log for libraries that speak slog (Proto.Actor does), so
// that there is one stream. Levels, name and fields of log apply.
func SlogLogger(log *zap.Logger) *slog.Logger {
	return slog.New(zapslog.NewHandler(log.Core(), zapslog.WithName(log.Name())))
}

// Settings is a log field with every setting by its variable's name, secrets withheld.
func Settings(cfg configs.Config) zap.Field {
	pairs := cfg.Redacted()
	fields := make([]zap.Field, len(pairs))
	for i, pair := range pairs {
		fields[i] = zap.String(pair.Key, pair.Value)
	}
	return zap.Dict("settings", fields...)
}

func encoder(terminal bool) zapcore.Encoder {
	config := zap.NewProductionEncoderConfig()
	config.TimeKey = "time"
	config.MessageKey = "message"
	config.EncodeDuration = zapcore.StringDurationEncoder
	if terminal {
		config.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		config.EncodeLevel = zapcore.CapitalColorLevelEncoder
		return zapcore.NewConsoleEncoder(config)
	}
	config.EncodeTime = utcMillis
	return zapcore.NewJSONEncoder(config)
}

// utcMillis keeps lines of different hosts comparable, and sortable as text.
func utcMillis(t time.Time, enc zapcore.PrimitiveArrayEncoder) {
	enc.AppendString(t.UTC().Format("2006-01-02T15:04:05.000Z"))
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// zapLevel maps slog's levels, which are open-ended, to zap's: each covers what lies above it.
func zapLevel(level slog.Level) zapcore.Level {
	switch {
	case level < slog.LevelInfo:
		return zapcore.DebugLevel
	case level < slog.LevelWarn:
		return zapcore.InfoLevel
	case level < slog.LevelError:
		return zapcore.WarnLevel
	default:
		return zapcore.ErrorLevel
	}
}
