"""What tasks measure: classes, numbers, tagged spans and answers."""
