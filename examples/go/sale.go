package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"flashsale"
)

// saleState is a sale as its page shows it.
type saleState struct {
	Sale       string      `json:"sale"`
	Phase      string      `json:"phase"`
	ServerTime int64       `json:"server_time_ms"`
	Opens      int64       `json:"opens_ms"`
	Closes     int64       `json:"closes_ms"`
	Hold       int64       `json:"hold_ms"`
	Items      []itemState `json:"items"`
}

type itemState struct {
	Item  string `json:"item"`
	Stock string `json:"stock"` // coarse on purpose: many, few, none
	Limit int64  `json:"limit"`
	Info  any    `json:"info,omitempty"`
}

func (s *shop) showSale(w http.ResponseWriter, r *http.Request, sale string) {
	if r.URL.RawQuery != "" {
		field("query", "no parameter is known here").write(w)
		return
	}
	state, err := s.look(r.Context(), sale)
	if err != nil {
		ofError(err).write(w)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=1, stale-while-revalidate=5") // whatever is in front asks for all
	writeJSON(w, 200, "application/json", state)
}

func (s *shop) look(ctx context.Context, sale string) (saleState, error) {
	status, err := s.sales.Status(ctx, sale, flashsale.RoleReplica)
	if err != nil {
		return saleState{}, err
	}
	state := saleState{Sale: sale, Phase: status.Phase, ServerTime: unixMs(status.Now), Opens: unixMs(status.Opens),
		Closes: unixMs(status.Closes), Hold: status.Hold.Milliseconds()}
	for _, item := range status.Items {
		info, err := s.sales.Info(ctx, sale, item.ID)
		if err != nil && !errors.Is(err, flashsale.ErrNotFound) {
			return saleState{}, err
		}
		state.Items = append(state.Items, itemState{item.ID, stock(item), item.Limit, facts(info)})
	}
	return state, nil
}

func stock(item flashsale.ItemStatus) string {
	switch left := item.Total - item.Booked; {
	case left <= 0:
		return "none"
	case left <= item.Total/10:
		return "few"
	}
	return "many"
}

// facts are an item's preloaded info: JSON as it is, else a string.
func facts(info []byte) any {
	switch {
	case len(info) == 0:
		return nil
	case json.Valid(info):
		return json.RawMessage(info)
	}
	return string(info)
}
