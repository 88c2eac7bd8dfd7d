package main

import (
	"strings"
	"testing"
)

func settingsOf(env map[string]string) (settings, error) {
	return settingsFrom(func(key string) (string, bool) {
		text, given := env[key]
		return text, given
	})
}

func TestWhatIsNotGivenIsOff(t *testing.T) {
	conf, err := settingsOf(nil)
	if want := (settings{pool: 5}); err != nil || conf != want {
		t.Fatalf("got %+v, %v; want %+v", conf, err, want)
	}
}

func TestSettingsAreRead(t *testing.T) {
	conf, err := settingsOf(map[string]string{
		"APP_DATABASE_URL":  "postgresql://me@127.0.0.1:5432/there",
		"APP_DATABASE_POOL": "7",
		"APP_DATABASE_LIFE": "per-request",
		"APP_UPSTREAM_URL":  "http://127.0.0.1:8090/",
		"APP_DELAY_MS":      "0",
	})
	if err != nil {
		t.Fatal(err)
	}
	if conf.upstreamQuery != "http://127.0.0.1:8090/?waitms=0" || !conf.perRequest {
		t.Errorf("got %+v", conf)
	}
	if most := conf.postgres.MaxConns; most != 7 {
		t.Errorf("the pool has %d connections, want 7", most)
	}
	if one := conf.postgres.ConnConfig; one.TLSConfig != nil || len(one.Fallbacks) > 0 {
		t.Error("a connection would be tried twice, with TLS and without")
	}
}

func TestWrongSettingsAreNamed(t *testing.T) {
	for key, texts := range map[string][]string{
		"APP_DATABASE_URL":  {"host=127.0.0.1", "http://127.0.0.1/", "postgresql://h:port/n", "::"},
		"APP_DATABASE_POOL": {"0", "1001", "-1", "5.0", ""},
		"APP_DATABASE_LIFE": {"", "Pool", "shared"},
		"APP_UPSTREAM_URL":  {"127.0.0.1:8090", "ftp://h", "http://", "http://h/?a=b"},
		"APP_DELAY_MS":      {"60001", "1s", ""},
	} {
		for _, text := range texts {
			_, err := settingsOf(map[string]string{key: text})
			if err == nil || !strings.HasPrefix(err.Error(), key) {
				t.Errorf("%s=%q: got %v, want an error that names it", key, text, err)
			}
		}
	}
}
