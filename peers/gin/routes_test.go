package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

// ask uses a router without database and upstream.
func ask(method, target, body string) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	router := newRouter(newServices(settings{pool: 5}))
	router.ServeHTTP(answer, httptest.NewRequest(method, target, strings.NewReader(body)))
	return answer
}

func TestWrongRequestsAreRefusedWithADetail(t *testing.T) {
	item := func(name, price string) string {
		return `{"name": ` + name + `, "price_cents": ` + price + `}`
	}
	for _, asked := range []struct {
		status               int
		method, target, body string
	}{
		{404, "GET", "/nowhere", ""}, {404, "GET", "/ping/", ""}, {404, "GET", "/echo/", ""},
		{404, "GET", "/echo/a/b", ""}, {405, "POST", "/ping", ""}, {405, "GET", "/echo", ""},
		{422, "GET", "/users?limit=0", ""}, {422, "GET", "/users?limit=101", ""},
		{422, "GET", "/users?limit=", ""}, {422, "GET", "/users?limit=5;x", ""},
		{422, "GET", "/tasks?after=25", ""}, {422, "GET", "/echo/%FF", ""},
		{422, "GET", "/echo/" + strings.Repeat("x", 257), ""}, {422, "GET", "/stress/cpu/10000001", ""},
		{422, "GET", "/stress/memory/0", ""}, {422, "POST", "/echo", ""}, {422, "POST", "/echo", "1 2"},
		{422, "POST", "/echo", "\"\xff\""}, {413, "POST", "/echo", strings.Repeat("1", maxBody+1)},
		{422, "POST", "/echo", strings.Repeat("[", 30_000) + strings.Repeat("]", 30_000)},
		{422, "POST", "/tasks", `{"TITLE": "x"}`}, {422, "POST", "/tasks", `{"title": "x", "done": null}`},
		{422, "POST", "/tasks", `{"title": "x"} x`}, {422, "POST", "/tasks", `{"title": "\u0000"}`},
		{422, "POST", "/tasks", `{"title": "\ud800"}`},
		{422, "POST", "/tasks", `{"title": "` + strings.Repeat("ü", 201) + `"}`},
		{422, "POST", "/db/items", item(`"x"`, "250.0")}, {422, "POST", "/db/items", item(`"x"`, `"250"`)},
		{422, "POST", "/db/items", item(`"x"`, "1000000001")}, {422, "POST", "/db/items", item("null", "1")},
		{503, "POST", "/tasks", `{"title": "\ud83d\ude00"}`}, {503, "POST", "/db/items", item(`"x"`, "0")},
		{503, "GET", "/tasks", ""}, {503, "GET", "/users", ""}, {503, "GET", "/async/http", ""},
		{503, "GET", "/health", ""},
	} {
		answer := ask(asked.method, asked.target, asked.body)
		var body struct{ Detail string }
		err := json.Unmarshal(answer.Body.Bytes(), &body)
		if answer.Code != asked.status || err != nil || body.Detail == "" {
			t.Errorf("%s %.40s %.40s: %d %s, want %d and a detail",
				asked.method, asked.target, asked.body, answer.Code, answer.Body, asked.status)
		}
	}
}

func TestEchoKeepsTheSegment(t *testing.T) {
	for path, want := range map[string]string{
		"a+b": "a+b", "a%2Fb+c": "a/b+c", "%C3%BC": "ü", "..": "..",
		strings.Repeat("%C3%BC", 256): strings.Repeat("ü", 256),
	} {
		var got struct{ Echo string }
		answer := ask(http.MethodGet, "/echo/"+path, "")
		if json.Unmarshal(answer.Body.Bytes(), &got) != nil || got.Echo != want {
			t.Errorf("%s: %d %s", path, answer.Code, answer.Body)
		}
	}
}

func TestEchoKeepsDigits(t *testing.T) {
	for _, body := range []string{`123456789012345678901234567890`, `[1.0,{"a":null}]`, `"x"`} {
		want := `{"echo":` + body + `,"bytes":` + strconv.Itoa(len(body)) + `}`
		if answer := ask(http.MethodPost, "/echo", body); answer.Body.String() != want {
			t.Errorf("%s: %d %s", body, answer.Code, answer.Body)
		}
	}
}
