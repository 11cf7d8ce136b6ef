import HTTP
import Wire
import XCTest

final class RelayTests: XCTestCase {
    private var relay = Relay()

    @discardableResult
    private func say(_ text: String, _ member: Relay.Member, at now: Instant = .zero) -> Relay.Verdict {
        relay.received(.text, Array(text.utf8).span, from: member, at: now)
    }

    /// Frames as texts; a server's short frames have a head of two bytes.
    private func texts(_ frames: WebSocketBroadcast) -> [String] {
        var (texts, rest): ([String], ArraySlice<UInt8>) = ([], frames.bytes[...])
        while let first = rest.popFirst(), let length = rest.popFirst() {
            XCTAssertEqual(first, 0x81, "one text frame a message")
            XCTAssertLessThan(length, 126)
            texts.append(String(decoding: rest.prefix(Int(length)), as: UTF8.self))
            rest = rest.dropFirst(Int(length))
        }
        return texts
    }

    /// What each gets of what has gathered.
    private func take() -> [Relay.Member: [String]] {
        var heard: [Relay.Member: [String]] = [:]
        for round in relay.takeRounds() {
            for member in round.members {
                guard let share = round.share(of: member) else { continue }
                let found = texts(share.frames)
                XCTAssertEqual(found.count, share.messages)
                heard[member, default: []] += found
            }
        }
        return heard
    }

    func testEachMessageGoesToEverybodyElseInOrder() throws {
        let (a, b, c) = (try XCTUnwrap(relay.join("/")), try XCTUnwrap(relay.join("/")), try XCTUnwrap(relay.join("/")))
        XCTAssertEqual(say("a1", a).outcome, .passedOn(2))
        say("a2", a)
        say("b1", b)
        say("a3", a)
        XCTAssertEqual(relay.waitingBytes, 16)
        XCTAssertEqual(take(), [a: ["b1"], b: ["a1", "a2", "a3"], c: ["a1", "a2", "b1", "a3"]])
        XCTAssertEqual(relay.waitingBytes, 0)
        XCTAssertEqual(take(), [:])
    }

    func testWhoeverJoinsGetsNothingFromBeforeAndWhoeverLeavesIsStillHeard() throws {
        let (a, b) = (try XCTUnwrap(relay.join("/")), try XCTUnwrap(relay.join("/")))
        say("before", a)
        let c = try XCTUnwrap(relay.join("/"))
        say("after", a)
        relay.leave(a)
        XCTAssertEqual(say("gone", a).outcome, .unheard)
        say("last", b)
        XCTAssertEqual(take(), [b: ["before", "after"], c: ["after", "last"]])
    }

    func testRoomsHearNothingOfEachOtherAndEndWithTheirLast() throws {
        let (a, b, c) = (try XCTUnwrap(relay.join("/a")), try XCTUnwrap(relay.join("/b")), try XCTUnwrap(relay.join("/b")))
        XCTAssertEqual(say("alone", a).outcome, .unheard)
        say("two", b)
        XCTAssertEqual(relay.roomCount, 2)
        XCTAssertEqual(take(), [c: ["two"]])
        relay.leave(a)
        XCTAssertEqual(relay.roomCount, 1)
        say("with the room", c)
        relay.leave(b)
        relay.leave(c)
        relay.leave(c)
        XCTAssertEqual(relay.roomCount, 0)
        XCTAssertEqual(relay.connectionCount, 0)
        XCTAssertEqual(take(), [:])
        let again = try XCTUnwrap(relay.join("/b"))
        XCTAssertEqual(say("alone", again).outcome, .unheard)
    }

    func testAFullRelayTakesTheNextWhenSomebodyHasLeft() throws {
        var limits = Relay.Limits()
        limits.connections = 2
        relay = Relay(limits)
        let a = try XCTUnwrap(relay.join("/a"))
        XCTAssertNotNil(relay.join("/b"))
        XCTAssertNil(relay.join("/a"))
        XCTAssertNil(relay.join("/new"))
        XCTAssertEqual(relay.roomCount, 2)
        relay.leave(a)
        XCTAssertNotNil(relay.join("/new"))
    }

    func testBinaryIsPassedOnAsTextWhereItIsUTF8() throws {
        let (a, b) = (try XCTUnwrap(relay.join("/")), try XCTUnwrap(relay.join("/")))
        for (bytes, outcome) in [
            ([], .passedOn(1)), (Array("ü".utf8), .passedOn(1)), ([0xFF], .notText), ([0xC3], .notText), ([0xED, 0xA0, 0x80], .notText),
        ] as [([UInt8], Relay.Outcome)] {
            XCTAssertEqual(relay.received(.binary, bytes.span, from: a, at: .zero).outcome, outcome)
        }
        XCTAssertEqual(take(), [b: ["", "ü"]])
    }

    func testNeverMoreThanTheRateInAnySecondAndNoLongerWaitThanThat() throws {
        var limits = Relay.Limits()
        limits.messagesPerSecond = 20
        for seed in 1...20 as ClosedRange<UInt64> {
            relay = Relay(limits)
            let (a, _) = (try XCTUnwrap(relay.join("/")), relay.join("/"))
            var (random, now, times): (SeededRandom, Instant, [Instant]) = (SeededRandom(seed: seed), .zero, [])
            for _ in 0..<300 {
                times.append(now)
                let then = say("x", a, at: now).pausedUntil
                let recent = times.filter { now - $0 < .seconds(1) }
                XCTAssertLessThanOrEqual(recent.count, 20, "seed \(seed)")
                XCTAssertEqual(then, recent.count == 20 ? recent[0] + .seconds(1) : nil, "seed \(seed)")
                let pause = Duration.milliseconds(Int.random(in: 0...1, using: &random) * Int.random(in: 0...120, using: &random))
                now = max(now + pause, then ?? now)
            }
        }
    }

    func testOneWhoWaitsHoldsUpNobodyElse() throws {
        let (a, b) = (try XCTUnwrap(relay.join("/")), try XCTUnwrap(relay.join("/")))
        for _ in 0..<199 { XCTAssertNil(say("x", a).pausedUntil) }
        XCTAssertEqual(say("x", a).pausedUntil, .zero + .seconds(1))
        XCTAssertNil(say("x", b).pausedUntil)
    }

    /// Random lives against a list for each member to which each message is added as it comes.
    func testWhatEachGetsIsWhatPlainListsWouldHold() throws {
        for seed in 1...200 as ClosedRange<UInt64> {
            var random = SeededRandom(seed: seed)
            var limits = Relay.Limits()
            limits.connections = 6
            relay = Relay(limits)
            var expected: [Relay.Member: [String]] = [:]
            var found: [Relay.Member: [String]] = [:]
            var here: [(member: Relay.Member, room: String)] = []
            for step in 0..<120 {
                switch Int.random(in: 0..<10, using: &random) {
                case 0:
                    let room = ["/a", "/b"].randomElement(using: &random)!
                    let member = relay.join(room)
                    XCTAssertEqual(member == nil, here.count == 6, "seed \(seed)")
                    if let member { here.append((member, room)) }
                case 1 where !here.isEmpty:
                    let left = here.remove(at: Int.random(in: here.indices, using: &random))
                    relay.leave(left.member)
                    // Whoever has left is sent nothing: what was not taken yet does not count.
                    expected[left.member] = nil
                    found[left.member] = nil
                case 2, 3:
                    for (member, texts) in take() where here.contains(where: { $0.member == member }) {
                        found[member, default: []] += texts
                    }
                    XCTAssertEqual(found, expected.filter { !$0.value.isEmpty }, "seed \(seed), step \(step)")
                default:
                    guard let (member, room) = here.randomElement(using: &random) else { continue }
                    say("\(step)", member)
                    for other in here where other.room == room && other.member != member {
                        expected[other.member, default: []].append("\(step)")
                    }
                }
            }
        }
    }
}
