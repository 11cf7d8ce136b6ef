import HTTP
import XCTest

final class RelayTokensTests: XCTestCase {
    func testTokensOpenAllRoomsOrTheirs() throws {
        let text =
            "# the team\nteam-token.1 # of all\n\n\thall_token~1\t/hall 2\r\n".replacing(" 2", with: "") + "both-rooms /a\nboth-rooms /b\n"
        let tokens = try RelayTokens(parsing: text, allowsRooms: true)
        XCTAssertEqual(tokens.count, 4)
        for (shown, room, verdict) in [
            ("team-token.1", "/", .admitted), ("team-token.1", "/hall", .admitted), ("hall_token~1", "/hall", .admitted),
            ("hall_token~1", "/", .otherRoom), ("both-rooms", "/a", .admitted), ("both-rooms", "/b", .admitted),
            ("both-rooms", "/c", .otherRoom), (nil, "/", .unknown), ("", "/", .unknown), ("team-token.", "/", .unknown),
            ("team-token.11", "/", .unknown), ("team-token.1team-token.1", "/", .unknown), ("TEAM-TOKEN.1", "/", .unknown),
            ("# the team", "/", .unknown),
        ] as [(String?, String, RelayTokens.Verdict)] {
            XCTAssertEqual(tokens.judge(shown, room: room), verdict, "\(shown ?? "none") \(room)")
        }
    }

    func testWhatIsWrongIsSaidWithItsLine() {
        for (text, allowsRooms, line) in [
            ("", true, 0), ("# nobody\n\n", true, 0), ("short", true, 1), ("good-token\nbad token&\n", true, 2),
            ("good-token room", true, 1),
            ("good-token /a", false, 1), ("good-token /a b", true, 1), ("tökenäöü", true, 1), (String(repeating: "x", count: 257), true, 1),
            (String(repeating: "good-token\n", count: 10_001), true, 0),
        ] {
            XCTAssertThrowsError(try RelayTokens(parsing: text, allowsRooms: allowsRooms), text.prefix(40).description) {
                XCTAssertEqual(($0 as? RelayTokens.Failure)?.line, line)
            }
        }
    }
}
