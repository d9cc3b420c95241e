"""SIP messages as they travelled: kept for a while, shown as text, ladder, picture or capture file, and collected."""
