import HTTP
import Wire

/// What a signalling server counts.
final class SignalFigures {
    private let received: MetricFamily<Counter>
    private let receivedBytes: MetricFamily<Counter>
    private let passedOn: Received
    private let unheard: Received
    private let notText: Received
    let delivered: Counter
    let deliveredBytes: Counter
    let lost: Counter
    let behind: Counter
    let waits: Counter
    private let refusals: MetricFamily<Counter>
    private let refused: [Refusal: Counter]

    enum Refusal: String, CaseIterable { case full, token, room }

    private struct Received {
        let messages: Counter
        let bytes: Counter

        func add(_ count: Int) {
            messages.add()
            bytes.add(count)
        }
    }

    init(_ registry: MetricsRegistry, connections: @escaping () -> Int, rooms: @escaping () -> Int) {
        registry.gauge("waldo_signal_connections", "WebSockets that have joined") { Double(connections()) }
        registry.gauge("waldo_signal_rooms", "Rooms with somebody in them") { Double(rooms()) }
        received = registry.counters(
            "waldo_signal_messages_received_total",
            "Messages by what became of them; unheard: nobody else was there; not_text: binary that is no UTF-8, dropped",
            labels: ["outcome"])
        receivedBytes = registry.counters(
            "waldo_signal_received_bytes_total", "Bytes of these messages, without frames", labels: ["outcome"])
        (passedOn, unheard, notText) = Self.three(received, receivedBytes)
        delivered = registry.counter("waldo_signal_deliveries_total", "Messages handed to receivers, each counted once for each receiver")
        deliveredBytes = registry.counter("waldo_signal_delivered_bytes_total", "Bytes of these, frames included")
        lost = registry.counter("waldo_signal_deliveries_lost_total", "Messages that a receiver did not get, as it was too far behind")
        behind = registry.counter("waldo_signal_slow_receivers_closed_total", "Receivers that were too far behind, and closed")
        waits = registry.counter("waldo_signal_waits_total", "Times a sender had to wait, as it had said as much as it may in a second")
        refusals = registry.counters("waldo_signal_refused_total", "Handshakes refused, by what for", labels: ["reason"])
        var refused: [Refusal: Counter] = [:]
        for reason in Refusal.allCases { refused[reason] = refusals.member(reason.rawValue) }
        self.refused = refused
    }

    private static func three(_ messages: MetricFamily<Counter>, _ bytes: MetricFamily<Counter>) -> (Received, Received, Received) {
        func one(_ outcome: String) -> Received { Received(messages: messages.member(outcome), bytes: bytes.member(outcome)) }
        return (one("passed_on"), one("unheard"), one("not_text"))
    }

    func count(_ outcome: Relay.Outcome, bytes: Int) {
        switch outcome {
        case .passedOn: passedOn.add(bytes)
        case .unheard: unheard.add(bytes)
        case .notText: notText.add(bytes)
        }
    }

    func count(_ refusal: Refusal) { refused[refusal]?.add() }
}
