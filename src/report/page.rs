//! The page around the plots: one file, nothing loaded, nothing to run.

use std::fmt::Write;

/// The colours of pages and plots, for light and dark.
pub(super) const COLORS: &str = include_str!("colors.css");

/// Text as HTML: what comes from outside is never markup.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Not allowed in a document, or unseen in it.
            // A number and its percent sign stay together.
            '%' if escaped.ends_with(' ') => {
                escaped.pop();
                escaped.push_str("\u{a0}%");
            }
            _ if letter.is_control() && letter != '\n' => escaped.push('\u{FFFD}'),
            _ => escaped.push(letter),
        }
    }
    escaped
}

/// What is in a table's column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// What the row is about.
    Name,
    Number,
    /// Text that may take several lines.
    Text,
}

impl Column {
    fn class(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Number => "number",
            Self::Text => "text",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Heading {
    pub(crate) title: String,
    /// What was simulated: names and facts, in the order to show them.
    pub(crate) facts: Vec<(&'static str, String)>,
}

/// A page that is being written. What it is given is text, save where a name says otherwise.
#[derive(Debug)]
pub(crate) struct Page {
    title: String,
    body: String,
}

impl Page {
    /// A page that begins with a heading.
    pub(crate) fn new(heading: &Heading) -> Self {
        let title = escape(&heading.title);
        let body = format!("<h1>{title}</h1>\n<dl>\n");
        let mut page = Self { title, body };
        for (name, fact) in &heading.facts {
            let (name, fact) = (escape(name), escape(fact));
            page.put(format_args!("<dt>{name}</dt><dd>{fact}</dd>\n"));
        }
        page.put(format_args!("</dl>\n"));
        page
    }

    fn put(&mut self, html: std::fmt::Arguments<'_>) {
        // Writing into a string does not fail.
        let _ = self.body.write_fmt(html);
    }

    pub(crate) fn heading(&mut self, text: &str) {
        self.put(format_args!("<h2>{}</h2>\n", escape(text)));
    }

    pub(crate) fn paragraph(&mut self, text: &str) {
        self.put(format_args!("<p>{}</p>\n", escape(text)));
    }

    /// How something ended.
    pub(crate) fn outcome(&mut self, succeeded: bool, text: &str) {
        let class = if succeeded { "succeeded" } else { "failed" };
        let text = escape(text);
        self.put(format_args!("<p class=\"outcome {class}\">{text}</p>\n"));
    }

    /// A picture with what it shows and what its lines are: class in the style, and words.
    pub(crate) fn figure(&mut self, title: &str, legend: &[(&str, String)], svg: &str) {
        let title = escape(title);
        self.put(format_args!(
            "<figure>\n<figcaption><strong>{title}</strong>"
        ));
        for (class, words) in legend {
            let words = escape(words);
            self.put(format_args!(
                " <span class=\"key\"><i class=\"{class}\"></i>"
            ));
            self.put(format_args!("{words}</span>"));
        }
        self.put(format_args!(
            "</figcaption>\n<div class=\"wide\" tabindex=\"0\">{}</div>\n</figure>\n",
            svg.trim()
        ));
    }

    /// A table with columns that have a head and a kind.
    pub(crate) fn table(&mut self, columns: &[(&str, Column)], rows: &[Vec<String>]) {
        let begin = "<div class=\"wide\" tabindex=\"0\"><table>\n<thead><tr>";
        self.put(format_args!("{begin}"));
        for (head, kind) in columns {
            let (class, head) = (kind.class(), escape(head));
            self.put(format_args!(
                "<th scope=\"col\" class=\"{class}\">{head}</th>"
            ));
        }
        self.put(format_args!("</tr></thead>\n<tbody>\n"));
        for row in rows {
            self.put(format_args!("<tr>"));
            for ((_, kind), cell) in columns.iter().zip(row) {
                let (class, cell) = (kind.class(), escape(cell));
                let (tag, scope) = match kind {
                    Column::Name => ("th", " scope=\"row\""),
                    Column::Number | Column::Text => ("td", ""),
                };
                self.put(format_args!(
                    "<{tag}{scope} class=\"{class}\">{cell}</{tag}>"
                ));
            }
            self.put(format_args!("</tr>\n"));
        }
        self.put(format_args!("</tbody></table></div>\n"));
    }

    pub(crate) fn finish(self) -> String {
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>{}</title>\n<style>\n{COLORS}{}</style>\n</head>\n<body>\n<main>\n{}</main>\n</body>\n</html>\n",
            self.title,
            include_str!("style.css"),
            self.body
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_is_never_markup() {
        let hostile = "<script>alert('1')</script> & \"x\"\u{7}";
        let mut page = Page::new(&Heading {
            title: hostile.to_owned(),
            facts: vec![(hostile, hostile.to_owned())],
        });
        page.heading(hostile);
        page.paragraph(hostile);
        page.outcome(true, hostile);
        page.figure(hostile, &[("original", hostile.to_owned())], "<svg></svg>");
        page.table(
            &[(hostile, Column::Name), (hostile, Column::Text)],
            &[vec![hostile.to_owned(), hostile.to_owned()]],
        );
        let page = page.finish();
        assert!(!page.contains("<script"), "{page}");
        assert!(!page.contains('\u{7}'), "{page}");
        assert_eq!(page.matches("&lt;script&gt;").count(), 13);
    }
}
