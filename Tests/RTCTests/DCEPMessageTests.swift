import RTC
import Wire
import XCTest

final class DCEPMessageTests: XCTestCase {
    func testOpenRoundTripsRFC8832Clause5_1() throws {
        let messages: [DCEPMessage] = [
            .acknowledge, .open(label: "", protocolName: "", isOrdered: true, reliability: .reliable, priority: 0),
            .open(label: "control ⚙", protocolName: "waldo.1", isOrdered: false, reliability: .maxRetransmits(0), priority: 256),
            .open(label: "a", protocolName: "", isOrdered: true, reliability: .maxLifetime(milliseconds: 150), priority: 65_535),
        ]
        for message in messages { XCTAssertEqual(try DCEPMessage(message.bytes.span), message) }
    }

    func testMalformedMessagesAreTypedErrors() {
        let open = DCEPMessage.open(label: "abc", protocolName: "d", isOrdered: true, reliability: .reliable, priority: 1).bytes
        for cut in 0..<open.count {
            XCTAssertThrowsError(try DCEPMessage(Array(open[..<cut]).span)) { XCTAssertEqual($0 as? DCEPError, .truncated) }
        }
        XCTAssertThrowsError(try DCEPMessage([9].span)) { XCTAssertEqual($0 as? DCEPError, .unknownMessage(9)) }
        var strange = open
        strange[1] = 0x05
        XCTAssertThrowsError(try DCEPMessage(strange.span)) { XCTAssertEqual($0 as? DCEPError, .unknownChannelType(5)) }
    }
}
