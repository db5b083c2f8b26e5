package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"flashsale"
	"flashsale/redistest"
)

var redis *redistest.Server

func TestMain(m *testing.M) {
	redis = flashsale.Must(redistest.Start())
	code := m.Run()
	redis.Stop()
	os.Exit(code)
}

func openSale(t *testing.T, sale string, units int64) *flashsale.Controller {
	t.Helper()
	pool := flashsale.Must(flashsale.NewPool(redis.URL))
	sink := flashsale.Must(flashsale.NewSink(filepath.Join(t.TempDir(), "orders.db")))
	sales := flashsale.Must(flashsale.NewController(pool, sink, flashsale.Options{"controller.timeout_ms": "30000"}))
	t.Cleanup(func() { sales.Close(); sink.Close(); pool.Close() })
	terms := flashsale.Sale{ID: sale, Items: []flashsale.Item{{ID: "sneaker-42", Units: units, Limit: 2}}}
	check(t, sales.CreateSale(context.Background(), terms))
	check(t, sales.Open(context.Background(), sale))
	// A confirm is answered once a worker has carried it into the database.
	worker := flashsale.Must(flashsale.NewWorker(pool, sink, flashsale.Options{"worker.sales": sale}))
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- worker.Run(ctx) }()
	t.Cleanup(func() { stop(); <-served; worker.Close() })
	return sales
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// client asks a shop and remembers the answer to the last question.
type client struct {
	t      *testing.T
	url    string
	header http.Header
	body   map[string]any
}

func (c *client) ask(status int, method, path, key, body string) {
	c.t.Helper()
	if got, text := c.send(method, path, key, body); got != status {
		c.t.Fatalf("%s %s: %d, not %d: %s", method, path, got, status, text)
	}
}

// askUntil is for what the gate knows a probe time later at the latest.
func (c *client) askUntil(status int, method, path, key, body string) {
	c.t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if got, _ := c.send(method, path, key, body); got == status {
			return
		}
	}
	c.ask(status, method, path, key, body)
}

func (c *client) send(method, path, key, body string) (int, string) {
	c.t.Helper()
	request, err := http.NewRequest(method, c.url+path, strings.NewReader(body))
	check(c.t, err)
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	check(c.t, err)
	text, err := io.ReadAll(response.Body)
	check(c.t, err)
	response.Body.Close()
	c.header, c.body = response.Header, map[string]any{}
	if strings.Contains(response.Header.Get("Content-Type"), "json") {
		check(c.t, json.Unmarshal(text, &c.body))
	}
	kind := "application/problem+json"
	if response.StatusCode >= 400 && response.Header.Get("Content-Type") != kind {
		c.t.Fatalf("a problem is %s", response.Header.Get("Content-Type"))
	}
	return response.StatusCode, string(text)
}

func (c *client) has(name string, value any) {
	c.t.Helper()
	if c.body[name] != value {
		c.t.Fatalf("%s is %v, not %v, in %v", name, c.body[name], value, c.body)
	}
}

func newClient(t *testing.T) *client {
	shop := flashsale.Must(newShop(redis.URL))
	server := httptest.NewServer(shop)
	t.Cleanup(func() { server.Close(); shop.close() })
	return &client{t: t, url: server.URL}
}

func TestAPurchaseFromOrderToLook(t *testing.T) {
	sales := openSale(t, "spring", 3)
	check(t, sales.Preload(context.Background(), "spring", "sneaker-42", []byte(`{"price": 99}`)))
	c := newClient(t)
	const orders, ann = "/sales/spring/orders", `{"item": "sneaker-42", "buyer": "ann"}`
	c.ask(201, "POST", orders, "click-1", ann)
	c.has("outcome", "reserved")
	c.has("request", "click-1")
	order := c.body["order"]
	if c.header.Get("Location") != orders+"/click-1" || c.header.Get("Server-Time") == "" {
		t.Fatalf("headers: %v", c.header)
	}
	c.ask(200, "POST", orders, `"click-1"`, ann)
	c.has("outcome", "already_reserved")
	c.has("order", order)
	c.ask(200, "GET", orders+"/click-1?buyer=ann", "", "")
	c.has("order", order)
	c.ask(404, "GET", orders+"/click-1?buyer=bob", "", "")
	c.has("code", "not_reserved")
	c.ask(422, "POST", orders, "click-1", `{"item": "sneaker-42", "buyer": "ann", "quantity": 2}`)
	c.has("effect", "none")
	c.ask(409, "POST", orders, "click-2", `{"item": "sneaker-42", "buyer": "ann", "quantity": 2}`)
	c.has("code", "limit_reached")
	c.ask(201, "POST", orders, "click-1", `{"item": "sneaker-42", "buyer": "bob", "quantity": 2}`)
	c.ask(409, "POST", orders, "click-1", `{"item": "sneaker-42", "buyer": "eve"}`)
	c.has("code", "sold_out")
	c.has("title", "Too few units are left")
	c.ask(200, "GET", "/sales/spring", "", "")
	c.has("phase", "open")
	item := c.body["items"].([]any)[0].(map[string]any)
	if item["stock"] != "none" || item["limit"] != 2.0 || item["info"].(map[string]any)["price"] != 99.0 {
		t.Fatalf("%v", item)
	}
	c.ask(200, "POST", orders+"/click-1/confirm?buyer=ann", "", "")
	c.has("outcome", "confirmed")
	c.ask(409, "DELETE", orders+"/click-1?buyer=ann", "", "")
	c.has("code", "already_confirmed")
	c.ask(200, "DELETE", orders+"/click-1?buyer=bob", "", "")
	c.has("outcome", "released")
	c.ask(410, "POST", orders+"/click-1/confirm?buyer=bob", "", "")
	c.ask(404, "DELETE", orders+"/click-9?buyer=bob", "", "")
	check(t, sales.Pause(context.Background(), "spring"))
	c.askUntil(503, "POST", orders, "click-3", `{"item": "sneaker-42", "buyer": "eve"}`)
	c.has("reason", "operator")
	if c.header.Get("Retry-After") == "" {
		t.Fatal("no Retry-After")
	}
	check(t, sales.CloseSale(context.Background(), "spring"))
	c.askUntil(410, "POST", orders, "click-4", `{"item": "sneaker-42", "buyer": "eve"}`)
}

func TestARequestThatIsNotUnderstoodIsRefusedByName(t *testing.T) {
	openSale(t, "summer", 3)
	c := newClient(t)
	const orders, ann = "/sales/summer/orders", `{"item": "sneaker-42", "buyer": "ann"}`
	for _, one := range []struct {
		status                               int
		method, path, key, body, code, field string
	}{
		{400, "POST", orders, "", ann, "invalid_argument", "Idempotency-Key"},
		{400, "POST", orders, "click-1", `{"item": "sneaker-42"}`, "invalid_argument", "buyer must have 1 to 64 bytes"},
		{400, "POST", orders, "click 1", ann, "invalid_argument", "request must consist of"},
		{400, "POST", orders, "click-1", `{"item": 7, "buyer": "ann"}`, "invalid_argument", "item"},
		{400, "POST", orders, "click-1", `{"item": "a", "buyer": "ann", "quantity": 0}`, "invalid_argument", "quantity"},
		{400, "POST", orders, "click-1", `{"item": "a", "buyer": "ann", "quantity": 1.0}`, "invalid_argument", "quantity"},
		{400, "POST", orders, "click-1", `{"item": "a", "item": "b", "buyer": "ann"}`, "invalid_argument", "body"},
		{400, "POST", orders, "click-1", `{"item": "a", "buyer": "ann", "price": "0"}`, "invalid_argument", "body"},
		{400, "POST", orders, "click-1", `{"item": "a", "buyer": "ann"`, "invalid_argument", "body"},
		{400, "POST", orders, "click-1", ann + ann, "invalid_argument", "body"},
		{400, "POST", orders, "click-1", `["item"]`, "invalid_argument", "body"},
		{400, "POST", orders + "?buyer=ann", "click-1", ann, "invalid_argument", "query"},
		{413, "POST", orders, "click-1", `{"item": "` + strings.Repeat("a", 5000) + `"}`, "too_large", "body"},
		{415, "POST", orders, "click-1", "", "unsupported_media_type", "Content-Type"},
		{404, "POST", "/sales/nowhere/orders", "click-1", ann, "not_found", ""},
		{400, "GET", orders + "/click-1", "", "", "invalid_argument", "buyer"},
		{400, "GET", orders + "/click-1?buyer=ann&quantity=1", "", "", "invalid_argument", "query"},
		{400, "DELETE", orders + "/click-1?buyer=ann", "", "{}", "invalid_argument", "body"},
		{404, "GET", "/sales/nowhere", "", "", "not_found", ""},
		{404, "GET", "/sales", "", "", "no_such_path", ""},
		{404, "GET", "/sales/summer/orders/click-1/refund", "", "", "no_such_path", ""},
		{405, "PUT", orders, "click-1", ann, "method_not_allowed", ""},
	} {
		c.ask(one.status, one.method, one.path, one.key, one.body)
		c.has("code", one.code)
		if one.status == 405 && c.header.Get("Allow") != "POST" {
			t.Errorf("allowed: %v", c.header)
		}
		if told := fmt.Sprint(c.body["field"], c.body["detail"]); !strings.Contains(told, one.field) {
			t.Errorf("%v does not name %s", c.body, one.field)
		}
	}
}

func TestHealthAndMetricsServeTheMachinesAround(t *testing.T) {
	c := newClient(t)
	c.ask(200, "GET", "/health", "", "")
	c.has("status", "ok")
	c.ask(200, "GET", "/metrics", "", "")
	if c.header.Get("Content-Type") != "text/plain; version=0.0.4" {
		t.Fatal(c.header)
	}
}

// start builds the program and runs it until the test ends, which must be a clean end.
func start(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "shop")
	if text, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	shop := exec.Command(program, "-listen", "127.0.0.1:0", "-redis", redis.URL)
	shop.Stderr = os.Stderr
	out, err := shop.StdoutPipe()
	check(t, err)
	check(t, shop.Start())
	t.Cleanup(func() {
		check(t, shop.Process.Signal(syscall.SIGTERM))
		if err := shop.Wait(); err != nil {
			t.Error("the program did not end well:", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	check(t, err)
	return strings.TrimSpace(strings.TrimPrefix(line, "listening on "))
}

func TestACrowdOnWrkBuysExactlyWhatThereIs(t *testing.T) {
	const units, connections = 3000, 64
	sales := openSale(t, "crowd", units)
	url := start(t) + "/sales/crowd/orders"
	crowd := exec.Command("wrk", "-t2", fmt.Sprint("-c", connections), "-d3s", "-s", "testdata/crowd.lua", url)
	text, err := crowd.Output()
	check(t, err)
	statuses := map[string]int64{}
	for _, found := range regexp.MustCompile(`status\t(\d+)\t(\d+)`).FindAllStringSubmatch(string(text), -1) {
		var count int64
		fmt.Sscan(found[2], &count)
		statuses[found[1]] += count
	}
	status, err := sales.Status(context.Background(), "crowd", flashsale.RolePrimary)
	check(t, err)
	booked, won := status.Items[0].Booked, statuses["201"]
	t.Logf("%s%d booked, %v", text, booked, statuses)
	// wrk does not wait for the last answer of each connection.
	if won == 0 || won > booked || booked > won+connections || booked > units {
		t.Fatalf("%d were told that they won, %d units are booked", won, booked)
	}
	for status := range statuses {
		if status != "201" && status != "409" && status != "503" { // 503: a call on a slow machine came too late
			t.Fatalf("%s answers of status %s", fmt.Sprint(statuses[status]), status)
		}
	}
}
