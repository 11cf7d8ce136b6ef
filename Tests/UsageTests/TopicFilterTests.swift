import Usage
import XCTest

/// Section 5, "Topics".
final class TopicFilterTests: XCTestCase {
    private func taken(_ filter: TopicFilter) -> Set<String> { Set(UsageEvent.Kind.allCases.filter(filter.takes).map(\.rawValue)) }
    private let all = Set(UsageEvent.Kind.allCases.map(\.rawValue))
    private let alerts: Set = [
        "latency_warning", "bandwidth_warning", "packet_loss_warning", "fps_warning", "command_rate_warning", "resource_warning", "alert",
    ]

    func testNewClientGetsEverything() { XCTAssertEqual(taken(TopicFilter()), all) }

    func testSubscribeReplacesAndAlertsStay() {
        var filter = TopicFilter()
        filter.subscribe(["state_update", "operator_connected"], alerts: nil)
        XCTAssertEqual(taken(filter), alerts.union(["state_update", "operator_connected"]))
        filter.subscribe(["mode_changed"], alerts: nil)
        XCTAssertEqual(taken(filter), alerts.union(["mode_changed"]))
        filter.subscribe([], alerts: nil)
        XCTAssertEqual(taken(filter), alerts)
        filter.subscribe(["*"], alerts: nil)
        XCTAssertEqual(taken(filter), all)
    }

    func testNamingAlertsNarrowsToThose() {
        var filter = TopicFilter()
        filter.subscribe(["state_update", "latency_warning"], alerts: nil)
        XCTAssertEqual(taken(filter), ["state_update", "latency_warning"])
        filter.subscribe(["state_update"], alerts: nil)
        XCTAssertEqual(taken(filter), ["state_update"], "it has named alerts: they are no longer sent unasked")
        filter.subscribe(["alerts"], alerts: nil)
        XCTAssertEqual(taken(filter), alerts)
    }

    func testAlertsCanBeTurnedOffAndOnAgain() {
        var filter = TopicFilter()
        filter.subscribe(["state_update"], alerts: false)
        XCTAssertEqual(taken(filter), ["state_update"])
        filter.subscribe(["*"], alerts: nil)
        XCTAssertEqual(taken(filter), all.subtracting(alerts))
        filter.subscribe(["state_update"], alerts: true)
        XCTAssertEqual(taken(filter), alerts.union(["state_update"]))
    }

    func testUnsubscribe() {
        var filter = TopicFilter()
        filter.unsubscribe(["state_update"])
        XCTAssertEqual(taken(filter), all.subtracting(["state_update"]))
        filter.unsubscribe(["alerts"])
        XCTAssertEqual(taken(filter), all.subtracting(alerts).subtracting(["state_update"]))
        filter.subscribe(["state_update", "mode_changed"], alerts: nil)
        filter.unsubscribe(["mode_changed"])
        XCTAssertEqual(taken(filter), ["state_update"])
        filter = TopicFilter()
        filter.subscribe(["state_update"], alerts: nil)
        filter.unsubscribe(["fps_warning"])
        XCTAssertEqual(taken(filter), alerts.union(["state_update"]).subtracting(["fps_warning"]))
        filter = TopicFilter()
        filter.subscribe(["alerts"], alerts: nil)
        filter.unsubscribe(["alert"])
        XCTAssertEqual(taken(filter), alerts.subtracting(["alert"]))
    }

    func testUnknownAndHugeNamesDoNoHarm() {
        var filter = TopicFilter()
        filter.subscribe((0..<10_000).map { "topic\($0)" } + [String(repeating: "x", count: 100_000)], alerts: nil)
        XCTAssertEqual(taken(filter), alerts)
    }
}
